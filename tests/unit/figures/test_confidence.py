import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.evaluate.abstention import risk_coverage
from sylvian.evaluate.calibration import calibration
from sylvian.evaluate.detection import choose_threshold, detection_curve
from sylvian.figures.confidence import (
    confidence_sheet,
    gate_curve,
    reliability_diagram,
    risk_coverage_curve,
)
from sylvian.figures.style import SINGLE_MM, canvas, panel, plotted
from sylvian.types import EditCounts


@pytest.fixture
def axis():
    return panel(canvas(SINGLE_MM, 60), 15, 10, 40, 40)


def numbers(axis):
    return plotted(axis.get_figure())[0].columns


def test_reliability_lies_where_it_was_measured(axis) -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(400)
    found = calibration(sure, rng.random(400) < sure**2, n_resamples=100)
    reliability_diagram(axis, found, title="words")
    marks = next(line for line in axis.lines if line.get_marker() == "o")
    assert marks.get_xdata() == pytest.approx([100 * one.confidence for one in found.bins])
    assert marks.get_ydata() == pytest.approx([100 * one.accuracy for one in found.bins])
    first, second = axis.texts
    assert first.get_text().startswith(f"ECE {100 * found.ece:.1f} % (")
    assert second.get_text() == f"by chance {100 * found.by_chance:.1f} %, n = 400"
    axis.get_figure().canvas.draw()
    labels = axis.xaxis.get_tightbbox()  # nothing crosses the numbers, wherever the bars are
    assert all(text.get_window_extent().y1 <= labels.y0 for text in axis.texts)
    assert sum(numbers(axis)["n"]) == 400


def test_risk_falls_with_coverage(axis) -> None:
    counts = [EditCounts(int(place < 50), 0, 0, 5) for place in range(200)]
    points = risk_coverage(np.linspace(0, 1, 200), counts, n_resamples=100)
    risk_coverage_curve(axis, {"raw": points, "fitted": points})
    assert len(numbers(axis)["coverage"]) == 2 * len(points)
    assert axis.lines[0].get_ydata()[0] == pytest.approx(5.0)
    band = axis.collections[0].get_datalim(axis.transData).get_points()
    assert band[0][0] == pytest.approx(20.0)  # no word is wrong there, and the band goes on
    table = numbers(axis)
    assert table["wer"][len(points) - 1] == 0.0
    assert 0 < table["not_ruled_out"][len(points) - 1] < 0.1
    with pytest.raises(ConfigError, match="no points"):
        risk_coverage_curve(axis, {})


def test_the_chosen_threshold_is_marked(axis) -> None:
    rng = np.random.default_rng(0)
    keywords, others = rng.normal(4, 1, size=80), rng.normal(0, 1, size=300)
    chosen = choose_threshold(keywords, others, most_false=0.05)
    gate_curve(axis, detection_curve(keywords, others), chosen=chosen)
    assert chosen is not None
    falling, rising, here = axis.lines
    assert here.get_xdata()[0] == chosen.threshold
    assert falling.get_ydata()[0] == 100.0
    assert list(rising.get_ydata()) == sorted(rising.get_ydata())
    assert max(numbers(axis)["false_accepts"]) == 1.0
    with pytest.raises(ConfigError, match="no threshold"):
        gate_curve(axis, ())


def test_the_sheet_shows_what_calibrate_found() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(300)
    found = calibration(sure, rng.random(300) < sure, n_resamples=100)
    counts = [EditCounts(int(place < 50), 0, 0, 5) for place in range(300)]
    curve = risk_coverage(np.linspace(0, 1, 300), counts, n_resamples=100)
    sheet = confidence_sheet({"before": found, "after": found}, curve, least=0.8)
    assert [one.panel for one in plotted(sheet)] == [
        "reliability before",
        "reliability after",
        "risk and coverage",
    ]
    assert sheet.axes[-1].lines[-1].get_xdata()[0] == 80.0
    with pytest.raises(ConfigError, match="0 diagrams"):
        confidence_sheet({}, curve)
