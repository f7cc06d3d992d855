import pytest

from sylvian.errors import DataError
from sylvian.evaluate.word_errors import count_word_errors, near_homophones
from sylvian.text import Lexicon

SENTENCES = [
    ("Their cat sat.", "there cat sat"),
    ("Their dog", "there dog"),
    ("hour glass", "our glass big"),
    ("all is well", "all well"),
    ("banana", "zebra"),
]
LEXICON = Lexicon(
    {
        "their": [["DH", "EH", "R"]],
        "there": [["DH", "AA", "R"], ["DH", "EH", "R"]],
        "our": [["AW", "R"]],
        "hour": [["AW", "ER"]],
        "banana": [["B", "AH", "N", "AE", "N", "AH"]],
        "zebra": [["Z", "IY", "B", "R", "AH"]],
    }
)


def test_words_taken_for_others_are_counted() -> None:
    found = count_word_errors(SENTENCES)
    assert found.pairs == {("their", "there"): 2, ("hour", "our"): 1, ("banana", "zebra"): 1}
    assert (found.deletions, found.insertions) == ({"is": 1}, {"big": 1})
    assert (found.n_words, found.n_trials, found.n_substitutions) == (11, 5, 4)
    assert found.worst(2) == [("their", "there", 2), ("banana", "zebra", 1)]


def test_the_filter_keeps_what_happened_twice() -> None:
    filtered = count_word_errors(SENTENCES).seen(2)
    assert filtered.pairs == {("their", "there"): 2}
    assert filtered.deletions == {"is": 1}
    assert count_word_errors([]).seen(2).pairs == {}


def test_near_homophones_by_the_closest_pronunciations() -> None:
    found = near_homophones(SENTENCES, LEXICON)
    assert found.n_substitutions == 4
    assert [found.within[d].value for d in (0, 1, 2)] == [0.5, 0.75, 0.75]
    often = near_homophones(SENTENCES * 2, LEXICON).within
    assert all(often[d].low < found.within[d].value < often[d].high for d in (0, 1, 2))
    assert 0 < found.by_chance[0] < 0.5


def test_unknown_words_are_pronounced_and_nothing_wrong_has_no_share() -> None:
    found = near_homophones([("mat", "matt"), ("our", "our")], LEXICON)
    assert found.within[0].value == 1.0
    with pytest.raises(DataError, match="no word was substituted"):
        near_homophones([("a", "a")], LEXICON)
