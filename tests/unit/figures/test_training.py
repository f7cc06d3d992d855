import math

import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.figures import EpochRow, epoch_rows
from sylvian.figures.style import canvas, panel, plotted
from sylvian.figures.training import has_curve, learning_rate, losses, n_not_finite, validation_rate

ROWS = tuple(
    EpochRow(e, 100.0 / e, 120.0 / e, 0.5 / e if e < 5 else 0.2, 3e-4 / e) for e in range(1, 9)
)


@pytest.fixture
def axis():
    return panel(canvas(), 12, 5, 60, 35)


def test_losses_are_drawn_as_given(axis):
    losses(axis, ROWS)
    train, val = axis.lines
    assert list(train.get_ydata()) == [row.train_loss for row in ROWS]
    assert list(val.get_ydata()) == [row.val_loss for row in ROWS]
    assert axis.get_yscale() == "log"
    low, high = axis.get_ylim()
    assert low < 12.5 and high > 120
    shown = [tick for tick in axis.get_yticks() if low <= tick <= high]
    assert len(shown) >= 2


def test_losses_that_are_not_finite_are_gaps(axis):
    rows = (*ROWS, EpochRow(9, math.nan, math.inf, None, None))
    losses(axis, rows)
    assert math.isnan(axis.lines[0].get_ydata()[-1]) and math.isnan(axis.lines[1].get_ydata()[-1])
    assert n_not_finite(rows) == 2 and n_not_finite(ROWS) == 0


def test_nearly_constant_losses_still_get_ticks(axis):
    losses(axis, [EpochRow(e, 3.0 + 0.01 * e, None) for e in range(5)])
    low, high = axis.get_ylim()
    assert sum(low <= tick <= high for tick in axis.get_yticks()) >= 2


def test_lowest_validation_rate_is_marked(axis):
    validation_rate(axis, ROWS, n_trials=1426)
    best = axis.lines[1]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (4, pytest.approx(12.5))
    said = [text.get_text() for text in axis.texts]
    assert "lowest 12.5 %\nepoch 4" in said and "n = 1,426 trials" in said
    assert axis.get_ylim()[0] == 0
    assert plotted(axis.figure)[0].columns["val_per"][3] == 0.125


def test_learning_rate_names_its_power_of_ten(axis):
    learning_rate(axis, ROWS)
    assert axis.get_ylabel() == "Learning rate (×10⁻⁴)"
    assert axis.lines[0].get_ydata()[0] == pytest.approx(3)


@pytest.mark.parametrize("draw", [losses, validation_rate, learning_rate])
@pytest.mark.parametrize("rows", [(), (EpochRow(1),), (EpochRow(1, *[math.nan] * 4),)])
def test_nothing_to_draw_is_refused(axis, draw, rows):
    with pytest.raises(ConfigError, match="leave this panel out"):
        draw(axis, rows)


def test_one_epoch_is_visible(axis):
    validation_rate(axis, ROWS[:1])
    assert axis.lines[0].get_marker() == "o"


def test_rows_are_read_from_a_csv_reader():
    rows = epoch_rows(
        [
            {"epoch": "1", "step": "10", "train_loss": "2.5", "val_loss": "", "val_per": "nan"},
            {"epoch": 2.0, "train_loss": 1, "learning_rate": None},
        ]
    )
    assert rows[0].train_loss == 2.5 and rows[0].val_loss is None
    assert rows[0].val_per is not None and math.isnan(rows[0].val_per)
    assert rows[1] == EpochRow(2.0, 1.0)
    assert not has_curve(rows, "val_per") and has_curve(rows, "train_loss")


@pytest.mark.parametrize(
    ("row", "message"),
    [({"step": "1"}, "row 1: no epoch"), ({"epoch": "x"}, "row 1: epoch is 'x'")],
)
def test_rows_that_are_no_metrics_are_refused(row, message):
    with pytest.raises(ConfigError, match=message):
        epoch_rows([row])


def test_rows_of_the_training_room_fit():
    from sylvian.train.metrics import columns

    names = columns("val_per")
    assert {"epoch", "train_loss", "val_loss", "val_per", "learning_rate"} <= set(names)
    assert np.isnan(epoch_rows([dict.fromkeys(names, float("nan"))])[0].epoch)


def test_sentences_are_judged_by_words(axis):
    rows = epoch_rows([{"epoch": "1", "val_loss": "2", "train_loss": "3", "val_wer": "0.5"}])
    validation_rate(axis, rows, column="val_wer")
    assert axis.get_ylabel() == "Validation WER (%)"
    losses(axis, rows)
    assert axis.get_ylabel() == "Loss (nats per token)"
