from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.evaluate import count_edits
from sylvian.text import PHONES, Lexicon, letter_to_sound
from sylvian.types import EditCounts


def is_held_out(word: str) -> bool:
    """The split of tools/build_letter_to_sound.py: the trees have never met these words."""
    return word.isalpha() and crc32(f"sylvian {word}".encode()) % 20 == 0


@pytest.fixture(scope="module")
def cmudict() -> Lexicon:
    return Lexicon.cmudict()


def test_held_out_words(cmudict: Lexicon) -> None:
    words = [word for word in cmudict if is_held_out(word)]
    edits = [count_edits(cmudict[word][0], letter_to_sound(word)) for word in words]
    assert len(words) == 5_912
    assert sum(edits, EditCounts()).rate < 0.095


def test_dictionary_helps_with_words_it_lacks(cmudict: Lexicon) -> None:
    plurals = [w for w in cmudict if is_held_out(w) and w.endswith("s") and w[:-1] in cmudict]
    lexicon = cmudict.restrict(w for w in cmudict if not is_held_out(w))
    alone, helped = (
        sum((count_edits(cmudict[w][0], say(w)) for w in plurals), EditCounts()).rate
        for say in (letter_to_sound, lexicon.pronounce)
    )
    assert helped < 0.03
    assert helped < 0.6 * alone


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("zorgon's", "Z AO R G AH N Z"),
        ("ship's", "SH IH P S"),
        ("bench's", "B EH N CH IH Z"),
        ("boys'", "B OY Z"),
        ("john'll", "JH AA N AH L"),
        ("plane've", "P L EY N AH V"),
        ("plant'd", "P L AE N T IH D"),
        ("boy're", "B OY R"),
        ("man're", "M AE N ER"),
        ("shipn't", "SH IH P AH N T"),
        ("ship-bench", "SH IH P B EH N CH"),
        ("XKCD", "EH K S K EY S IY D IY"),
        ("x.k.c.d.", "EH K S K EY S IY D IY"),
        ("dvds", "D IY V IY D IY Z"),
        ("cbs", "S IY B IY EH S"),
        ("w", "D AH B AH L Y UW"),
        ("a", "EY"),
        ("brrr", "B ER"),
        ("shh", "SH"),
        ("", ""),
        ("'", ""),
        ("42", ""),
    ],
)
def test_what_follows_from_rules(word: str, phones: str) -> None:
    assert letter_to_sound(word) == tuple(phones.split())


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("goood", "good"),
        ("hmmmmm", "hmm"),
        ("get'em", "get 'em"),
        ("well-nigh", "well nigh"),
        ("cat-and-dog's", "cat and dog's"),
    ],
)
def test_unknown_words_of_known_parts(cmudict: Lexicon, word: str, parts: str) -> None:
    assert word not in cmudict
    expected = tuple(phone for part in parts.split() for phone in cmudict[part][0])
    assert cmudict.pronounce(word) == expected


@given(st.text(max_size=15))
def test_any_text_gives_phones(word: str) -> None:
    phones = letter_to_sound(word)
    assert set(phones) <= set(PHONES)
    assert phones == letter_to_sound(word)


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_case_does_not_matter(word: str) -> None:
    assert letter_to_sound(word.upper()) == letter_to_sound(word)
