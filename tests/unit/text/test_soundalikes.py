import numpy as np
import pytest

from sylvian.errors import DecodeError
from sylvian.text import SIL, Lexicon
from sylvian.text.soundalikes import Soundalikes

LEXICON = Lexicon(
    {
        "to": [["T", "UW"]],
        "too": [["T", "UW"]],
        "go": [["G", "OW"]],
        "ago": [["AH", "G", "OW"]],
        "either": [["IY", "DH", "ER"], ["AY", "DH", "ER"]],
        "unused": [["Z", "UW"]],
    }
)
COUNTS = {"to": 90, "too": 10, "go": 50, "ago": 5, "either": 5, "spoon": 3, "unused": 0}


@pytest.fixture
def sounds() -> Soundalikes:
    return Soundalikes(LEXICON, COUNTS, choices=3)


def test_what_sounds_alike_is_shared_by_counts(sounds: Soundalikes) -> None:
    (found,) = sounds.listen([("T", "UW", SIL)])
    assert found.phonemes == (("T", "UW"),)
    assert [sounds.words[w] for w in found.words[0, :2]] == ["to", "too"]
    assert found.shares[0, 0] / found.shares[0, 1] == pytest.approx(9.0)
    assert found.shares.sum() == pytest.approx(1.0)


def test_a_misheard_word_is_found(sounds: Soundalikes) -> None:
    (found,) = sounds.listen([("AH", "G", "AW", SIL, "AY", "DH", "ER", SIL)])
    assert [sounds.words[row[0]] for row in found.words] == ["ago", "either"]
    np.testing.assert_array_less(0.4, found.shares[:, 0])


def test_an_edit_costs_what_it_should() -> None:
    sounds = Soundalikes(LEXICON, {"go": 1, "ago": 1}, edit_nats=2.0)
    (found,) = sounds.listen([("AH", "G", "OW")])
    assert sounds.words[found.words[0, 0]] == "ago"
    assert found.shares[0, 0] / found.shares[0, 1] == pytest.approx(np.exp(2.0))


def test_doubled_and_missing_ends_are_no_words(sounds: Soundalikes) -> None:
    tidy, untidy, nothing = sounds.listen(
        [("T", "UW", SIL, "G", "OW", SIL), (SIL, "T", "UW", SIL, SIL, "G", "OW"), (SIL,)]
    )
    assert tidy.phonemes == untidy.phonemes
    assert nothing.phonemes == ()
    assert nothing.words.shape == nothing.shares.shape == (0, 3)


def test_far_from_every_word_nothing_has_a_share() -> None:
    sounds = Soundalikes(LEXICON, COUNTS, max_edits=1)
    (found,) = sounds.listen([("K", "IH", "CH", "AH", "N", SIL)])
    assert found.shares.sum() == 0.0


def test_words_without_sound_or_count_are_left_out(sounds: Soundalikes) -> None:
    assert set(sounds.words) == {"to", "too", "go", "ago", "either"}


def test_no_word_at_all_is_an_error() -> None:
    with pytest.raises(DecodeError, match="lexicon"):
        Soundalikes(LEXICON, {"spoon": 3})
