"""Figures of the analyses: what is drawn is what was found, and blanks say why."""

import math

import numpy as np
import pytest
from matplotlib.text import Text

from sylvian.analyses import Estimate, cka_layers, pca
from sylvian.errors import ConfigError
from sylvian.figures.naming import name_points
from sylvian.figures.representation import estimate_rows, p_said, words_in_plane
from sylvian.figures.representation_sheets import (
    Density,
    Plane,
    RowPanel,
    planes_sheet,
    rows_sheet,
    tables_sheet,
)
from sylvian.figures.style import (
    DOUBLE_MM,
    SINGLE_MM,
    canvas,
    numbers_csv,
    panel,
    plotted,
    save,
)

FOUND = Estimate(0.42, 0.31, 0.53, 0.0001, 1234, -0.1, 0.1)
BLANK = Estimate.blank(7, "7 sentences, 0 outside the range of lengths; needs 10")


def texts(figure) -> set[str]:
    return {text.get_text() for axis in figure.axes for text in axis.texts}


def test_rows_show_value_interval_p_and_n_and_why_there_is_none(tmp_path):
    rng = np.random.default_rng(0)
    near = np.abs(rng.normal(size=(20, 20)))
    figure = rows_sheet(
        [RowPanel("run, attempted", ("features", "output"), (FOUND, BLANK))],
        name="Correlation of distances",
        limits=(-0.2, 0.6),
        colours=["#0072b2"],
        beside=[Density("output", near + near.T, near.T + near)],
    )
    said = texts(figure)
    assert {"0.42 (0.31 to 0.53)", "1e\N{MINUS SIGN}4", "1,234"} <= said
    assert any(BLANK.note in one for one in said)
    rows = numbers_csv(figure).splitlines()
    assert "run, attempted" in rows[1] and "features,0.42,0.31,0.53,0.0001,1234" in rows[1]
    assert BLANK.note in rows[2]
    slope = plotted(figure)[1].columns["slope"][0]
    assert slope == pytest.approx(1.0)
    assert all(path.stat().st_size for path in save(figure, tmp_path / "rows"))


def test_percent_is_written_as_percent_and_small_p_as_powers():
    axis = panel(canvas(), 20, 8, 30, 20)
    labels = ["output"]
    estimate_rows(axis, [FOUND], labels, name="x", limits=(0.0, 1.0), percent=True, panel="p")
    assert "42.0 (31.0 to 53.0)" in {text.get_text() for text in axis.texts}
    assert axis.get_xlim() == (0, 100)
    assert [p_said(p) for p in (0.0312, 0.0004, math.nan)] == ["0.031", "4e\N{MINUS SIGN}4", ""]
    with pytest.raises(ConfigError, match="nothing|no estimates"):
        estimate_rows(axis, [], [], name="x", limits=(0.0, 1.0), panel="p")


def test_no_number_reads_minus_zero():
    axis = panel(canvas(), 20, 8, 30, 20)
    one = Estimate(-0.001, -0.004, 0.2, 0.5, 9)
    estimate_rows(axis, [one], ["a"], name="x", limits=(-1.0, 1.0), panel="p")
    assert "0.00 (0.00 to 0.20)" in {text.get_text() for text in axis.texts}


def test_words_of_two_tasks_are_joined_and_named_where_there_is_room(tmp_path):
    rng = np.random.default_rng(1)
    words = tuple(f"word{n}" for n in range(30)) * 2
    tasks = ("attempted",) * 30 + ("imagined",) * 30
    plane = Plane("run, output", pca(rng.normal(size=(60, 5))), words, tasks)
    figure = planes_sheet([plane, plane])
    first = figure.axes[0]
    assert len(first.lines) == 30 + 2  # a join for each word, and the points of each task
    named = [text.get_text() for text in first.texts]
    assert len(named) == len(set(named)) >= 28 and set(named) <= set(words)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in first.texts]  # without leaders
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    points = first.transData.transform(plane.found.scores)
    assert not any(box.contains(*point) for box in boxes for point in points)
    assert numbers_csv(figure).count("imagined") == 60
    save(figure, tmp_path / "plane")
    with pytest.raises(ConfigError, match="give one each"):
        words_in_plane(first, plane.found, words[:-1], tasks[:-1])


def test_alignments_are_written_into_their_cells(tmp_path):
    rng = np.random.default_rng(2)
    layers = {"features": rng.normal(size=(20, 4)), "output": np.ones((20, 2))}
    table = cka_layers(layers, layers, n_permutations=100)
    figure = tables_sheet([("n = 20 trials", "b", "a", table)])
    assert texts(figure) == {"1.00", "\N{EN DASH}"}
    assert numbers_csv(figure).count("a layer is constant") == 3
    save(figure, tmp_path / "table")


def test_names_keep_off_lines_and_go_further_away_before_they_are_left_out():
    axis = panel(canvas(), 5, 5, 60, 60)
    x = np.array([0.0, 1.0, 0.5, 0.5])
    y = np.array([0.0, 1.0, 0.5, 0.505])
    axis.plot(x, y, "o")
    line = np.array([[[0.5, 0.5], [1.0, 0.5]]])  # right of the third point
    assert name_points(axis, x, y, {2: "word"}, lines=line) == 1
    assert axis.texts[0].get_ha() != "left"
    names = {place: "a long name to be written" for place in range(4)}
    assert name_points(axis, x, y, names) == 4
    narrow = panel(canvas(), 5, 5, 6, 60)
    assert name_points(narrow, x, y, names) == 0 and not narrow.texts


def test_figures_have_the_width_of_a_column_or_a_page():
    rows = [RowPanel("run, words", ("features",), (FOUND,))]
    near = np.abs(np.random.default_rng(0).normal(size=(12, 12)))
    density = Density("output", near + near.T, near.T + near)
    layers = {name: np.random.default_rng(1).normal(size=(12, 3)) for name in "abcde"}
    table = ("n = 12 trials", "b", "a", cka_layers(layers, layers, n_permutations=100))
    many = {f"block {n}": layers["a"] for n in range(14)}
    wide = ("n = 12 trials", "b", "a", cka_layers(layers, many, n_permutations=100))
    drawn = {"name": "x", "limits": (0.0, 1.0), "colours": ["#0072b2"]}
    for figure, width in (
        (rows_sheet(rows, **drawn), SINGLE_MM),
        (rows_sheet(rows, **drawn, beside=[density]), DOUBLE_MM),
        (tables_sheet([table]), SINGLE_MM),
        (tables_sheet([table, table]), DOUBLE_MM),
        (tables_sheet([wide]), DOUBLE_MM),
    ):
        assert figure.get_size_inches()[0] * 25.4 == pytest.approx(width)
        figure.draw_without_rendering()
        right = figure.axes[-1].get_tightbbox().x1 / figure.dpi * 25.4
        assert right < width
    assert right > 0.85 * DOUBLE_MM  # no empty third
