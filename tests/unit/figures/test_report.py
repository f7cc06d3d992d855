import base64
import csv
import dataclasses
import io
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.evaluate.confusion import count_confusions
from sylvian.evaluate.report import ScoreReport
from sylvian.figures import EpochRow, RunReport, SplitScores, build_report
from sylvian.figures.report import duration
from sylvian.figures.run_sheets import raster_sheet
from sylvian.figures.style import canvas, panel
from sylvian.figures.svg import DARK, dark_theme, themed_svg

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page as a list of elements, its text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def attributes(self, name: str) -> list[str]:
        return [a[name] or "" for _, a in self.elements if name in a]


@pytest.fixture(scope="module")
def report(make_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "report.html"
    runs = [
        make_run("tfs <&> $x$ \"'"),
        dataclasses.replace(make_run("rnn-2", encoder="gru", participants=("S1", "S2"))),
    ]
    assert build_report(runs, out) == out
    assert list(out.parent.iterdir()) == [out]
    return out.read_text()


def test_one_file_that_asks_for_nothing(report):
    page = Page(report)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "video", "audio", "base"}
    for name in ("src", "href", "xlink:href", "srcset", "action"):
        for target in page.attributes(name):
            assert target.startswith(("#", "data:")), f"{name}={target}"
    assert not re.search(r"@import|url\((?!#)", report)
    assert not [a for a in report.split("<") if re.match(r"\w+[^>]*\son\w+=", a)]
    links = {url for url in re.findall(r"https?://[^\s\"<>]+", report)}
    assert links == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_ids_are_unique_and_every_reference_resolves(report):
    page = Page(report)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    targets = [t[1:] for n in ("href", "xlink:href") for t in page.attributes(n) if t[:1] == "#"]
    targets += re.findall(r"url\(#([^)]+)\)", report)
    targets += [i for name in ("aria-labelledby",) for i in page.attributes(name)]
    assert targets and set(targets) <= set(ids)


def test_everything_is_escaped(report):
    page = Page(report)
    assert "<script>alert(1)</script>" in page.text
    assert "<b>water</b> & tea" in page.text
    assert "tfs <&> $x$ \"'" in page.text
    assert "b" not in {tag for tag, a in page.elements if tag == "b" and "water" in str(a)}
    assert "<b>water" not in report and "<script" not in report


def test_every_figure_has_words_for_those_who_cannot_see_it(report):
    page = Page(report)
    pictures = [a for tag, a in page.elements if tag == "svg"]
    assert len(pictures) >= 16
    assert all(a.get("role") == "img" and a.get("aria-label") for a in pictures)
    assert any("2024-01-03" in (a["aria-label"] or "") for a in pictures)
    assert "lang" in dict(page.elements)["html"]


def test_headline_holds_every_run_split_and_participant(report):
    table = report[report.index("<tbody") : report.index("</tbody>")]
    assert table.count("<tr") == 1 + 3  # the second run has two participants
    assert 'class="part"' in table
    assert re.search(r"<b>\d+\.\d</b> <span class=\"interval\">\d+\.\d–\d+\.\d</span>", table)


def test_numbers_travel_with_the_figure(report, make_run):
    score = make_run("rnn-2").scores[0].unit("wer")
    encoded = re.search(r'download="overview.csv" href="data:text/csv;base64,([^"]+)"', report)
    assert encoded is not None and score is not None
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(encoded[1]).decode())))
    assert rows[0]["unit"] == "wer" and float(rows[0]["rate"]) == pytest.approx(
        score.rate, rel=1e-5
    )


def test_sections_follow_the_run(report):
    text = Page(report).text
    for words in (
        "Chosen on val: best epoch by PER (15 trials).",
        "Two trials were left out.",
        "Nothing was picked by hand",
        "2 min 05 s in all",
        "Most frequent phoneme errors",
    ):
        assert words in text, words


def test_light_dark_print_and_telephone(report):
    assert "prefers-color-scheme: dark" in report and "@media print" in report
    assert 'name="viewport"' in report and "max-width: 44rem" in report
    assert report.count('class="plot narrow"') >= 4
    assert str(dark_theme()) in report


def page_of(run: RunReport, tmp_path) -> str:
    return Page(build_report([run], tmp_path / "r.html").read_text()).text


def test_an_empty_run_says_what_it_has_not(tmp_path):
    text = page_of(RunReport("empty", ("T12",), "gru", "greedy"), tmp_path)
    for sentence in (
        "No run has been scored on a labelled split yet.",
        "This run has not been scored on any labelled split yet",
        "no record of what was chosen on which trials",
        "so there are no examples",
        "No decoded phonemes were aligned",
        "No epoch has been logged",
        "No recorded trial was handed to this report",
        "The recipe of this run is not on record.",
        "The environment of this run is not on record.",
    ):
        assert sentence in text, sentence


def test_no_words_one_session_no_prompt_sets_no_seen(make_run, tmp_path):
    run = make_run(words=False, days=("2024-01-03",), prompt_sets=False)
    bare = ScoreReport(
        tuple(s for s in run.scores[0].report.scores if s.group not in ("seen", "unseen")), 5
    )
    run = dataclasses.replace(run, scores=(SplitScores("val", bare),), decodes=())
    text = page_of(run, tmp_path)
    assert "There is no word error rate: this run was decoded without a language model" in text
    assert "Only one session was scored" in text and "2024-01-03: PER" in text
    assert "does not say which prompt set" in text
    assert "No scored trial has a known sentence" in text
    assert "Word error rate (%)" not in text


def test_all_sentences_seen(make_run, make_results, tmp_path):
    from sylvian.evaluate.score import score_trials

    results = make_results()
    everything = score_trials(
        results, training_sentences=[r.reference for r in results], n_resamples=50
    )
    run = dataclasses.replace(make_run(), scores=(SplitScores("val", everything),))
    assert "also occur in training; how unseen sentences fare is not known" in page_of(
        run, tmp_path
    )
    nothing = score_trials(results, training_sentences=[], n_resamples=50)
    run = dataclasses.replace(make_run(), scores=(SplitScores("val", nothing),))
    assert "are new: none occurs in training" in page_of(run, tmp_path)


def test_no_error_at_all(make_run, tmp_path):
    run = make_run(wrong=0.0)
    perfect = count_confusions([(["T"], ["T"])])
    text = page_of(dataclasses.replace(run, confusions=perfect), tmp_path)
    assert "WER: no error in" in text and "(3/n)" in text
    assert "There is no error to divide into kinds." in text
    assert "No phoneme error in 1 trial of val." in text
    assert "0.0–0.0" not in text


def test_one_trial_has_no_interval(make_run, tmp_path):
    text = page_of(make_run(days=("2024-01-03",), n=1, wrong=1.0), tmp_path)
    assert "WER: 1 trial, too few for an interval." in text
    assert "no interval" in text and "nan" not in text.lower().replace("finance", "")


def test_no_labels_at_all(make_run, tmp_path):
    run = dataclasses.replace(make_run(), scores=(SplitScores("holdout", ScoreReport((), 0)),))
    text = page_of(run, tmp_path)
    assert "No trial of holdout has labels that could be scored." in text
    assert "No session of holdout has been scored." in text


def test_half_logged_metrics(make_run, tmp_path):
    rows = (EpochRow(1, math.nan, 3.0), EpochRow(2, 5.0, math.inf))
    text = page_of(dataclasses.replace(make_run(), metrics=rows), tmp_path)
    assert "2 logged values were not finite" in text
    assert "Not logged: validation PER and learning rate." in text


def test_cues_left_out_are_named(make_run, tmp_path):
    run = make_run()
    report = dataclasses.replace(run.scores[0].report, cues={"[DO NOTHING]": 3})
    run = dataclasses.replace(run, scores=(SplitScores("val", report),))
    assert "3 trials of the cue [DO NOTHING]" in page_of(run, tmp_path)


def test_two_decoders_on_one_split(make_run, tmp_path):
    run = make_run()
    greedy = dataclasses.replace(run.scores[0], decoder="greedy")
    out = build_report(
        [dataclasses.replace(run, scores=(*run.scores, greedy))], tmp_path / "r.html"
    )
    page = Page(out.read_text())
    assert "Error rates on val (greedy)" in page.text
    assert len(page.attributes("id")) == len(set(page.attributes("id")))


def test_features_that_alternate_are_drawn_apart(make_run):
    run = make_run()
    layout = (("6v", "spike_power", 0, 2), ("6v", "crossings", 2, 4), ("44", "spike_power", 4, 8))
    sheet = raster_sheet(dataclasses.replace(run, channels=layout))
    power, crossings = (axis.images[0].get_array() for axis in sheet.wide.axes)
    np.testing.assert_array_equal(power, run.trial.features[:, [0, 1, 4, 5, 6, 7]].T)
    np.testing.assert_array_equal(crossings, run.trial.features[:, 2:4].T)
    assert list(sheet.wide.axes[0].get_yticks()) == [1, 4]
    assert sheet.wide.axes[0].get_title("left") == "Spike power"


def test_a_trial_without_layout_or_sentence(make_run, tmp_path):
    run = make_run()
    info = dataclasses.replace(run.trial.info, sentence=None)
    trial = dataclasses.replace(run.trial, info=info, features=np.ones((9, 3), np.float32))
    text = page_of(dataclasses.replace(run, trial=trial, channels=()), tmp_path)
    assert "sentence withheld; 9 bins of 20 ms, 3 channels" in text


def test_runs_must_have_names_of_their_own(make_run, tmp_path):
    with pytest.raises(ConfigError, match="'tfs-12345678' is given twice"):
        build_report([make_run(), make_run()], tmp_path / "r.html")
    with pytest.raises(ConfigError, match="no run is given"):
        build_report([], tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named_and_left_clean(make_run, tmp_path):
    folder = tmp_path / "r.html"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"r\.html: cannot write the report"):
        build_report([RunReport("empty", ("T12",), "gru", "greedy")], folder)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"r\.html: cannot write the report"):
        build_report([RunReport("empty", ("T12",), "gru", "greedy")], tmp_path / "file" / "r.html")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", folder]


def test_broken_characters_do_not_cost_the_report(tmp_path):
    run = RunReport("empty", ("T12",), "gru", "greedy", warnings=("a \ud800 b",))
    assert "a ? b" in page_of(run, tmp_path)


def test_colours_follow_the_theme_and_text_stays_text():
    figure = canvas()
    axis = panel(figure, 12, 5, 60, 30)
    axis.plot([0, 1], [0, 1])
    axis.set_xlabel("a < b")
    svg = themed_svg(figure, name="x", alt='3 < "4"')
    assert 'aria-label="3 &lt; &#34;4&#34;"' in svg
    assert "a &lt; b</text>" in svg
    assert "var(--c1a1c1f, #1a1c1f)" in svg
    fixed = re.findall(r"(?<!, )#[0-9a-f]{6}", svg)
    assert not set(fixed) & set(DARK)
    assert all(found.startswith("x-") for found in re.findall(r'\bid="([^"]+)"', svg))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (60.0, "1 min 00 s"),
        (3725.0, "1 h 02 min"),
    ],
)
def test_times_are_for_people(seconds, said):
    assert duration(seconds) == said
