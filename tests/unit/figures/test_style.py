import csv
import subprocess
import sys

import matplotlib as mpl
import pytest
from matplotlib.image import imread

from sylvian.errors import ConfigError
from sylvian.figures.style import (
    DOUBLE_MM,
    MEANINGS,
    SINGLE_MM,
    canvas,
    colour_of,
    encoder_colour,
    numbers_csv,
    panel,
    record,
    save,
)


def test_package_and_run_report_come_without_matplotlib():
    code = (
        "import sys, sylvian.figures as f; f.RunReport; "
        "assert 'matplotlib' not in sys.modules and 'jinja2' not in sys.modules; "
        "f.save; assert 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    import sylvian.figures as figures

    for name in figures.__all__:
        assert getattr(figures, name) is not None
    with pytest.raises(AttributeError, match="no_such_plot"):
        _ = figures.no_such_plot


def test_each_colour_means_one_thing():
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert encoder_colour("gru") == colour_of("gru") != encoder_colour("transformer")
    assert encoder_colour("val") == encoder_colour("mamba") == colour_of("all")
    with pytest.raises(ConfigError, match="'speechllm'.*transformer"):
        colour_of("speechllm")


@pytest.mark.parametrize("width_mm", [SINGLE_MM, DOUBLE_MM])
def test_save_writes_the_printed_size_and_the_numbers(tmp_path, width_mm):
    figure = canvas(width_mm, 40)
    axis = panel(figure, 10, 5, 60, 25)
    axis.plot([1, 2], [3, 4])
    axis.set_title("costs $5, not $6_")  # a dollar is no formula
    record(axis, "first", {"x": [1, 2], "y": [3.0, 1 / 3]})
    record(axis, "second", {"x": [5], "z": [None]})
    pdf, png, table = save(figure, tmp_path / "new folder" / "figure.pdf")
    assert imread(png).shape[1] == pytest.approx(width_mm / 25.4 * 300, abs=1)
    box = pdf.read_bytes().split(b"/MediaBox [")[1].split(b"]")[0].split()
    assert float(box[2]) == pytest.approx(width_mm / 25.4 * 72, abs=0.1)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows == [
        {"panel": "first", "x": "1", "y": "3", "z": ""},
        {"panel": "first", "x": "2", "y": "0.333333", "z": ""},
        {"panel": "second", "x": "5", "y": "", "z": ""},
    ]


def test_same_figure_same_files(tmp_path):
    texts = []
    for name in ("a", "b"):
        figure = canvas()
        axis = panel(figure, 10, 5, 60, 25)
        axis.plot([1, 2], [3, 4])
        record(axis, "p", {"x": [1]})
        texts.append([path.read_bytes() for path in save(figure, tmp_path / name)])
    assert texts[0] == texts[1]


def test_a_figure_without_numbers_is_refused(tmp_path):
    figure = canvas()
    panel(figure, 10, 5, 60, 25)
    with pytest.raises(ConfigError, match="nothing was recorded"):
        save(figure, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_columns_of_different_lengths_are_refused():
    axis = panel(canvas(), 10, 5, 60, 25)
    with pytest.raises(ConfigError, match="different lengths"):
        record(axis, "p", {"x": [1], "y": [1, 2]})


def test_style_is_ours_whatever_the_caller_set_and_leaves_no_trace():
    with mpl.rc_context({"font.size": 30, "axes.spines.top": True, "text.usetex": False}):
        axis = panel(canvas(), 10, 5, 60, 25)
        assert mpl.rcParams["font.size"] == 30
    assert not axis.spines["top"].get_visible() and not axis.spines["right"].get_visible()
    assert axis.xaxis.label.get_size() == 7
    assert axis.get_position().x0 == pytest.approx(10 / SINGLE_MM)


def test_letters_no_font_has_do_not_stop_a_figure(tmp_path):
    figure = canvas()
    axis = panel(figure, 10, 5, 60, 25)
    axis.set_title("\N{CUNEIFORM SIGN A}")
    record(axis, "p", {"x": [1]})
    assert all(path.stat().st_size for path in save(figure, tmp_path / "x"))


def test_numbers_of_a_forgotten_figure_are_empty():
    assert numbers_csv(canvas()) == "panel\n"
