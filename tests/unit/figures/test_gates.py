import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.evaluate.detection import choose_threshold, cross_checked, detection_curve
from sylvian.figures.gates import det_curve, gate_sheet
from sylvian.figures.style import SINGLE_MM, canvas, panel, plotted


@pytest.fixture
def axis():
    return panel(canvas(SINGLE_MM, 60), 15, 10, 40, 40)


def scores(n_keywords=60, n_others=200, apart=3.0):
    rng = np.random.default_rng(0)
    return rng.normal(apart, 1, size=n_keywords), rng.normal(0, 1, size=n_others)


def test_one_error_stands_against_the_other(axis) -> None:
    keywords, others = scores()
    held = cross_checked(keywords, others, most_false=0.1)
    det_curve(axis, detection_curve(keywords, others), held_out=held)
    line = axis.lines[0]
    assert list(line.get_xdata()) == sorted(line.get_xdata(), reverse=True)
    assert list(line.get_ydata()) == sorted(line.get_ydata())
    dot = axis.lines[-1]
    assert dot.get_marker() == "o" and len(dot.get_xdata()) == 1
    labels = [tick.get_text() for tick in axis.get_xticklabels()]
    assert labels[0] == "0" and labels[-1] == "80"
    numbers = plotted(axis.get_figure())[0].columns
    assert max(numbers["false_accepts"]) == 1.0


def test_gates_without_errors_are_drawn_on_the_edge(axis) -> None:
    keywords, others = scores(apart=50.0)
    det_curve(axis, detection_curve(keywords, others))
    least = axis.get_xticks()[0], axis.get_yticks()[0]
    corner = list(zip(axis.lines[0].get_xdata(), axis.lines[0].get_ydata(), strict=True))
    assert any(pair == pytest.approx(least) for pair in corner)
    assert all(np.isfinite(corner).ravel())


def test_the_sheet_says_how_the_gate_fares() -> None:
    keywords, others = scores()
    chosen = choose_threshold(keywords, others, most_false=0.1)
    held = cross_checked(keywords, others, most_false=0.1)
    sheet = gate_sheet(detection_curve(keywords, others), chosen=chosen, held_out=held)
    assert chosen is not None and held is not None
    assert f"{100 * held.misses.value:.1f} % (" in sheet.axes[0].get_title(loc="left")
    assert [one.panel for one in plotted(sheet)] == ["keyword gate", "detection error trade-off"]
    with pytest.raises(ConfigError, match="leave the panel out"):
        gate_sheet(detection_curve(keywords, np.zeros(0)))
