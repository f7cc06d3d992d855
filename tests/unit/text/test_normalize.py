import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.text import is_cue, normalize_sentence


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("How does it keep the cost down?", "how does it keep the cost down"),
        ("First off we 'd probably wind up.", "first off we'd probably wind up"),
        ("back what\u2019s mine", "back what's mine"),
        ("a well-known x- ray", "a well-known x ray"),
        ("so--then", "sothen"),
        ("3 of 40 words", "of words"),
        ("two\nlines\tjoin", "twolinesjoin"),
        ("caf\u00e9", "caf"),
        ("wait -", "wait -"),
        ("  spaces   go ", "spaces go"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_follows_the_benchmark(raw: str, expected: str) -> None:
    assert normalize_sentence(raw) == expected


@given(st.text(max_size=40))
def test_leaves_only_lower_case_letters_and_single_spaces(text: str) -> None:
    result = normalize_sentence(text)
    assert set(result) <= set("abcdefghijklmnopqrstuvwxyz'- ")
    assert result == " ".join(result.split())


@given(st.from_regex(r"[a-z']*( [a-z][a-z']*)*", fullmatch=True))
def test_normalised_text_without_hyphens_stays(text: str) -> None:
    once = normalize_sentence(text)
    assert normalize_sentence(once) == once


@pytest.mark.parametrize("cue", ["[DO NOTHING]", "[RIGHT HAND - CLOSE]", " [do nothing]\n"])
def test_cues_are_known_by_their_brackets(cue: str) -> None:
    assert is_cue(cue)


@pytest.mark.parametrize("sentence", ["Do nothing.", "[laughs] yes", "[a] [b]", "[]", ""])
def test_sentences_are_no_cues(sentence: str) -> None:
    assert not is_cue(sentence)
