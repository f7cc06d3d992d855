from pathlib import Path

import pytest

from _t15_decodes import (
    lm_sentences,
    place_in_order,
    read_val_trials,
    session_folds,
    training_sentences,
)
from sylvian.errors import DataError
from sylvian.text import normalize_sentence

ROWS = [
    ("go home", ("G", "OW")),
    ("yes", ("Y", "EH", "S")),
    ("no", ("N", "OW")),
    ("yes", ("Y", "EH")),
]


def test_repeated_sentences_find_the_row_with_the_same_phonemes() -> None:
    assert place_in_order([ROWS[0], ROWS[3]], ROWS) == [0, 3]
    assert place_in_order([ROWS[1], ROWS[2]], ROWS) == [1, 2]
    assert place_in_order([("yes", ("Y", "EH")), ROWS[2]], ROWS) == [1, 2]  # order comes first


def test_trials_out_of_order_are_refused() -> None:
    with pytest.raises(DataError, match="trial 1"):
        place_in_order([ROWS[2], ROWS[0]], ROWS)


def test_a_day_is_in_one_fold_and_every_fold_has_days() -> None:
    sessions = [f"day{i % 7}" for i in range(50)]
    folds = session_folds(sessions, 3)
    assert len(set(zip(sessions, folds, strict=True))) == 7
    assert set(folds) == {0, 1, 2}


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="t15_decodes"):
        read_val_trials(tmp_path)


def test_the_published_files_line_up(shared_data: Path) -> None:
    trials = read_val_trials(shared_data)
    listed = [trial for trial in trials if trial.n_best is not None]
    assert (len(trials), len(listed)) == (1426, 1342)
    same = sum(trial.n_best.hypotheses[0] == trial.greedy.hypotheses[0] for trial in listed)
    assert same > 0.9 * len(listed)


def test_no_validation_sentence_is_learned_from(shared_data: Path) -> None:
    forbidden = {trial.sentence for trial in read_val_trials(shared_data)}
    text = lm_sentences(shared_data, forbidden)
    assert len(text) > 120_000
    assert forbidden.isdisjoint(map(normalize_sentence, text))
    assert not forbidden.isdisjoint(training_sentences(shared_data))  # there was something to drop
