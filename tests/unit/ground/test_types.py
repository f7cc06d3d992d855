import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.errors import DataError
from sylvian.text import phoneme_vocabulary
from sylvian.types import EditCounts, NBest, TrialKey

KEY = TrialKey("card2024", "T15", "2023-08-11", 3, 17)


def test_a_key_prints_and_reads_back() -> None:
    assert str(KEY) == "card2024/T15/2023-08-11/b03/t017"
    assert TrialKey.parse(str(KEY)) == KEY


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_any_numbers_survive_printing(block: int, trial: int) -> None:
    key = TrialKey("c", "p", "s", block, trial)
    assert TrialKey.parse(str(key)) == key


def test_keys_sort_by_number_not_by_digits() -> None:
    assert TrialKey("c", "p", "s", 9, 0) < TrialKey("c", "p", "s", 10, 0)


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(DataError, match="not a trial key"):
        TrialKey.parse("card2024/T15")


def test_an_empty_nbest_cannot_exist() -> None:
    with pytest.raises(ValueError, match="at least one"):
        NBest(KEY, ())


def test_counts_add_before_rates_are_taken() -> None:
    total = EditCounts(1, 0, 0, 2) + EditCounts(0, 1, 1, 8)
    assert total == EditCounts(1, 1, 1, 10)
    assert total.rate == pytest.approx(0.3)
    assert EditCounts().rate != EditCounts().rate  # NaN: nothing was referenced


def test_the_vocabulary_has_the_published_order() -> None:
    vocabulary = phoneme_vocabulary()
    assert len(vocabulary) == 41
    assert vocabulary.tokens[0] == "BLANK"
    assert vocabulary.tokens[40] == "SIL"
    assert vocabulary.encode(["AA", "ZH", "SIL"]) == (1, 39, 40)
    assert vocabulary.decode((1, 39)) == ("AA", "ZH")
    with pytest.raises(DataError, match="'QQ'"):
        vocabulary.encode(["QQ"])
