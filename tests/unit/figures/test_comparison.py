import math

import pytest
from matplotlib.figure import Figure

from sylvian.errors import ConfigError
from sylvian.evaluate.intervals import Difference
from sylvian.figures.comparison import SystemPanel, SystemRow, arranged, comparison_figure
from sylvian.figures.footnotes import SIMULATED, add_notes, blank_figure
from sylvian.figures.scaling import ScalingPanel, ScalingPoint, scaling_figure
from sylvian.figures.style import MM_PER_INCH, plotted
from sylvian.types import EditCounts, Score

SURE, UNSURE = Difference(-0.031, -0.05, -0.01, 0.002), Difference(0.004, -0.02, 0.03, 0.8)


def score(unit: str = "per", rate: float = 0.2) -> Score:
    return Score(unit, "", EditCounts(int(1000 * rate), 0, 0, 1000), rate - 0.05, rate + 0.05, 40)


def rows(unit: str = "per") -> tuple[SystemRow, ...]:
    return (
        SystemRow("rnn", "gru", score(unit, 0.3), 3),
        SystemRow("tfs", "transformer", score(unit), 3, SURE),
        SystemRow("all", "transformer", score(unit, 0.31), 3, UNSURE),
        SystemRow("human", "", None, note="not run"),
    )


def panels(*, people: str, speeches: str, units: str) -> list[SystemPanel]:
    return [
        SystemPanel(who, speech, unit, rows(unit))
        for who in people.split()
        for unit in units.split()
        for speech in speeches.split()
    ]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def numbers(figure: Figure) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for table in plotted(figure):
        for name, values in table.columns.items():
            found.setdefault(name, []).extend(values)
    return found


@pytest.mark.parametrize(
    ("people", "speeches", "units", "lines"),
    [
        ("S12 S15", "attempted imagined", "per wer", ["per per", "wer wer"] * 2),
        ("S12 S15", "attempted", "per wer", ["per wer"] * 2),
        ("S12 S15 S16", "attempted", "per", ["per per", "per"]),
        ("S15", "imagined", "wer", ["wer"]),
    ],
)
def test_what_belongs_together_stands_in_one_line(
    people: str, speeches: str, units: str, lines: list[str]
) -> None:
    laid = arranged(panels(people=people, speeches=speeches, units=units))
    assert [" ".join(one.unit for one in line) for line in laid] == lines


def test_changes_stand_beside_their_rows_and_in_the_csv() -> None:
    figure = comparison_figure(
        panels(people="S15", speeches="attempted imagined", units="per"), against="rnn"
    )
    said = texts(figure)
    assert said.count("\N{MINUS SIGN}3.1") == said.count("+0.4") == said.count("0.002") == 2
    found = numbers(figure)
    assert found["change_low"] == [None, -0.05, -0.02, None] * 2
    assert found["note"] == ["", "", "", "not run"] * 2
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_a_panel_without_rows_says_why() -> None:
    blank = SystemPanel("S15", "imagined", "per", (), "No imagined speech of S15 was decoded.")
    figure = comparison_figure([SystemPanel("S15", "attempted", "per", rows()), blank])
    assert blank.blank in texts(figure)
    assert blank.blank in numbers(figure)["note"]
    with pytest.raises(ConfigError, match="no system was scored"):
        comparison_figure([blank])


def test_rates_above_one_keep_their_axis_and_others_end_at_100_percent() -> None:
    def top(rate: float) -> float:
        one = SystemPanel("S15", "attempted", "wer", (SystemRow("tfs", "", score("wer", rate)),))
        return comparison_figure([one]).axes[0].get_xlim()[1]

    assert top(0.94) == 100
    assert top(1.2) > 125


def test_notes_make_a_figure_higher_and_leave_its_panels_as_large() -> None:
    figure = comparison_figure(panels(people="S15", speeches="attempted", units="per"))

    def height() -> float:
        return figure.axes[0].get_position(original=True).height * figure.get_size_inches()[1]

    before, tall = height(), figure.get_size_inches()[1]
    add_notes(figure, ["What has to be read with it."], simulated=True)
    assert height() == pytest.approx(before)
    assert (figure.get_size_inches()[1] - tall) * MM_PER_INCH > 8
    assert [text.get_text() for text in figure.texts] == [SIMULATED, "What has to be read with it."]
    assert figure.texts[0].get_fontweight() == "bold"
    assert numbers(figure)["note"][-2:] == [SIMULATED, "What has to be read with it."]


def test_a_figure_without_notes_stays_as_it_is() -> None:
    figure = blank_figure("Nothing was wrong.")
    size = tuple(figure.get_size_inches())
    add_notes(figure, [])
    assert tuple(figure.get_size_inches()) == size
    assert numbers(figure)["note"] == ["Nothing was wrong."]


def test_hours_are_logarithmic_where_they_differ_by_much() -> None:
    def drawn(*hours: float) -> Figure:
        points = tuple(ScalingPoint("human", 10, one, score(), 0.01) for one in hours)
        return scaling_figure([ScalingPanel("S15", points, score(rate=0.3))])

    assert drawn(1.0, 2.0).axes[0].get_xscale() == "linear"
    assert drawn(1.0, 10.0).axes[0].get_xscale() == "log"
    found = numbers(drawn(1.0, 10.0))
    assert found["series"] == ["no pretraining", "human", "human"]
    assert found["hours"] == [None, 1, 10]
    assert not math.isnan(float(str(found["p"][1])))
    with pytest.raises(ConfigError, match="no amount of pretraining"):
        scaling_figure([])
