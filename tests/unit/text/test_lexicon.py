import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.errors import DecodeError
from sylvian.text import PHONES, SIL, Lexicon

phones = st.lists(st.sampled_from(PHONES), min_size=1, max_size=4)
pronunciations = st.lists(phones, min_size=1, max_size=3)
lexicons = st.dictionaries(st.from_regex(r"[a-z'-]{1,6}", fullmatch=True), pronunciations)


@pytest.fixture(scope="module")
def cmudict() -> Lexicon:
    return Lexicon.cmudict()


def test_packaged_dictionary(cmudict: Lexicon) -> None:
    assert len(cmudict) == 125_938
    assert cmudict["don't"] == (("D", "OW", "N", "T"), ("D", "OW", "N"))
    assert cmudict["the"][0] == ("DH", "AH")
    assert "'em" in cmudict
    assert "a.m." not in cmudict
    assert Lexicon.cmudict() is cmudict


def test_phonemes_close_every_word(cmudict: Lexicon) -> None:
    spoken = cmudict.phonemes("We 'd like the cat\u2019s, OK?")
    words = " ".join(spoken).split(f" {SIL}")
    assert [w.strip() for w in words] == ["W IY D", "L AY K", "DH AH", "K AE T S", "OW K EY", ""]


def test_phonemes_of_nothing(cmudict: Lexicon) -> None:
    assert cmudict.phonemes("") == ()
    assert cmudict.phonemes("42 - ''") == ()


def test_hyphenated_word_is_known_whole_or_in_parts(cmudict: Lexicon) -> None:
    assert cmudict.phonemes("cat-dog") == ("K", "AE", "T", "D", "AO", "G", SIL)
    whole = Lexicon({"cat-dog": [["K"]], "cat": [["AA"]], "dog": [["AE"]]})
    assert whole.phonemes("cat-dog") == ("K", SIL)


def test_reads_the_published_forms(tmp_path: Path) -> None:
    path = tmp_path / "words.txt.gz"
    text = (
        ";;; a comment\n\nTHE  DH AH0\nTHE(1)  DH IY0\n"
        "the(3) DH AH |\ntea T IY1 # a drink\n(PAREN  P ER0 EH1 N\n"
    )
    path.write_bytes(gzip.compress(text.encode()))
    lexicon = Lexicon.read(path)
    assert dict(lexicon) == {
        "the": (("DH", "AH"), ("DH", "IY")),
        "tea": (("T", "IY"),),
        "(paren": (("P", "ER", "EH", "N"),),
    }


@pytest.mark.parametrize("line", ["cat", "cat |", "cat # a pet", "cat K AE9 T", "cat K0 AE T"])
def test_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"a AH\n{line}\n")
    with pytest.raises(DecodeError, match=r"words\.txt:2: "):
        Lexicon.read(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "words.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"words\.gz: cannot be read"):
        Lexicon.read(path)


def test_truncated_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(b"a AH\n" * 99)[:-9])
    with pytest.raises(DecodeError, match=r"words\.gz: cannot be read"):
        Lexicon.read(path)


@pytest.mark.parametrize(
    "entries",
    [
        {"": [["K"]]},
        {"two words": [["K"]]},
        {"Cat": [["K"]]},
        {"cat": []},
        {"cat": [[]]},
        {"cat": [["Q"]]},
    ],
)
def test_bad_entries_are_refused(entries: dict[str, list[list[str]]]) -> None:
    with pytest.raises(DecodeError):
        Lexicon(entries)


@given(lexicons)
def test_write_and_read_agree(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, list[list[str]]]
) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "words.txt.gz"
    lexicon = Lexicon(entries)
    lexicon.write(path)
    again = Lexicon.read(path)
    assert again == lexicon
    assert again.digest == lexicon.digest
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_digest_sees_pronunciations_but_not_order() -> None:
    lexicon = Lexicon({"a": [["AH"], ["EY"]], "b": [["B"]]})
    assert lexicon.digest == Lexicon({"b": [["B"]], "a": [["AH"], ["EY"], ["AH"]]}).digest
    assert lexicon.digest != Lexicon({"a": [["EY"], ["AH"]], "b": [["B"]]}).digest


def test_restrict_and_extend(cmudict: Lexicon) -> None:
    small = cmudict.restrict(["cat", "blorf"])
    assert small.words == ("cat",)
    larger = small.extended(["blorf", "cat", "cat-cat", "--"])
    assert larger.words == ("cat", "blorf", "cat-cat")
    assert larger["cat"] == cmudict["cat"]
    assert larger["cat-cat"] == (cmudict["cat"][0] * 2,)
    assert set(larger["blorf"][0]) <= set(PHONES)
    assert small.words == ("cat",)


@pytest.mark.parametrize(
    ("name", "n_words"),
    [("nejm_125k_dict.txt.gz", 125_074), ("lightbeam_100k_phonemes.txt.gz", 99_969)],
)
def test_reads_the_dictionaries_others_decode_with(
    shared_data: Path, name: str, n_words: int
) -> None:
    path = shared_data / "lexicons" / name
    if not path.is_file():
        pytest.skip(f"no lexicon at {path}")
    lexicon = Lexicon.read(path)
    assert len(lexicon) == n_words
    assert lexicon["the"] == (("DH", "AH"), ("DH", "IY"))[: len(lexicon["the"])]
