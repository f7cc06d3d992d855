import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.analysis import DecodedTrial, ErrorAnalysis, analyse_errors
from sylvian.evaluate.pairs import PAPER
from sylvian.evaluate.word_errors import count_word_errors
from sylvian.figures.breakdown import oracle_curve, rates_along
from sylvian.figures.error_sheets import error_figures
from sylvian.figures.mistakes import pair_rows, repair_rows
from sylvian.figures.style import SINGLE_MM, canvas, panel, plotted, save
from sylvian.figures.word_errors import word_matrix
from sylvian.text import Lexicon

LEXICON = Lexicon(
    {
        "bat": [["B", "AE", "T"]],
        "pat": [["P", "AE", "T"]],
        "see": [["S", "IY"]],
        "yes": [["Y", "EH", "S"]],
    }
)


def decoded(n: int = 40, *, candidates: bool = True, sets: bool = True) -> list[DecodedTrial]:
    """Trials in which every other `bat` is looked up as `pat`; the n-gram mends half of them."""
    rng = np.random.default_rng(4)
    trials = []
    for trial in range(n):
        true = list(rng.choice(["bat", "see", "yes"], size=4))
        heard = ["pat" if word == "bat" and rng.random() < 0.5 else word for word in true]
        mended = ["bat" if word == "pat" and rng.random() < 0.5 else word for word in heard]
        said = " ".join(mended)
        trials.append(
            DecodedTrial(
                session=f"synthetic/S1/2024-01-0{1 + trial % 3}",
                prompt_set=("50-word", "large")[trial % 2] if sets else None,
                sentence=" ".join(true),
                phonemes=LEXICON.phonemes(" ".join(true)),
                tokens=LEXICON.phonemes(" ".join(heard)),
                systems={"looked up": " ".join(heard), "n-gram": said},
                candidates=(said, " ".join(true)) if candidates else (),
                strategy=("attempted", "imagined")[trial % 3 == 0] if sets else "",
            )
        )
    return trials


def analysed(trials: list[DecodedTrial] | None = None) -> ErrorAnalysis:
    return analyse_errors(
        trials or decoded(), lexicon=LEXICON, training_sentences=["bat see", "see"]
    )


@pytest.fixture
def axis():
    return panel(canvas(SINGLE_MM, 60), 15, 10, 40, 40)


def test_what_was_planted_is_found() -> None:
    found = analysed()
    assert found.pairs[0].name == "B/P"
    assert found.pairs[0].share.value == 1.0
    assert found.words.worst(1)[0][:2] == ("bat", "pat")
    assert found.near is not None and found.near.within[1].value == 1.0
    repairs = found.repairs["looked up \u2192 n-gram"]
    assert (repairs.fixed.value > 0.05, repairs.broken.value) == (True, 0.0)
    assert [one.score.rate > 0 for one in found.oracle] == [True, False]
    rare = {score.group: score.rate for score in found.rates["frequency"]}
    assert rare["frequency:0"] == 0  # `yes` is never missed
    assert found.to_json()["near_homophones"]["within"]["1"]["value"] == 1.0


def test_every_figure_has_its_numbers(tmp_path: Path) -> None:
    figures = error_figures(analysed())
    assert set(figures) == {
        "phonemes-by-errors",
        "phonemes-by-articulation",
        "phoneme-pairs",
        "words",
        "words-seen-twice",
        "near-homophones",
        "where",
        "sessions",
        "strategies",
        "prompt-sets",
        "oracle",
        "repairs",
    }
    for name in ("where", "repairs"):
        assert all(path.stat().st_size for path in save(figures[name], tmp_path / name))
    repairs = plotted(figures["repairs"])[0].columns
    assert repairs["outcome"] == ["right", "fixed", "broken", "wrong"]
    near = plotted(figures["near-homophones"])[0].columns
    assert near["phoneme_edits"] == [0, 1, 2] and near["share"][1] == 1.0
    assert all(width_mm(figure) in (89, 183) for figure in figures.values())


def width_mm(figure) -> int:
    return round(figure.get_size_inches()[0] * 25.4)


def test_what_is_not_known_has_no_figure() -> None:
    bare = [
        DecodedTrial(t.session, None, t.sentence, None, None, {"end to end": t.sentence})
        for t in decoded(6)
    ]
    found = analysed([*bare, DecodedTrial("d", None, "[DO NOTHING]", None, None, {"x": ""})])
    assert found.n_trials == 6
    assert (found.phonemes, found.near, found.oracle, found.pairs) == (None, None, (), ())
    figures = error_figures(found)
    assert set(figures) == {"words", "words-seen-twice", "near-homophones", "where", "sessions"}
    assert found.to_json()["near_homophones"] is None
    assert found.to_json()["phonemes"] is None


def test_a_perfect_decode_has_figures_and_numbers_that_say_so(tmp_path: Path) -> None:
    perfect = [
        replace(
            trial,
            tokens=trial.phonemes,
            systems=dict.fromkeys(trial.systems, trial.sentence),
            candidates=(trial.sentence,),
        )
        for trial in decoded()
    ]
    found = analysed(perfect)
    figures = error_figures(found)
    assert set(figures) == set(error_figures(analysed()))
    for name, figure in figures.items():
        assert all(path.stat().st_size for path in save(figure, tmp_path / name)), name
    notes = {name: plotted(figures[name])[0].columns.get("note") for name in figures}
    assert notes["phonemes-by-errors"] == ["No error in 584 phonemes of 40 sentences"]
    assert "None taken for another" in notes["phoneme-pairs"][0]
    assert notes["words"] == ["None taken for another in 160 words of 40 sentences"]
    assert "twice" in notes["words-seen-twice"][0] and notes["near-homophones"]
    rates = plotted(figures["where"])[0].columns
    assert set(rates["rate"]) == {0.0}
    assert all(math.isnan(high) for high in rates["high"])
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["phonemes"] == {
        "substitutions": 0,
        "deletions": 0,
        "insertions": 0,
        "n_reference": 584,
    }
    assert told["pairs"][0]["share"] == {"value": None, "low": None, "high": None}
    assert told["repairs"]["looked up \u2192 n-gram"]["right"]["value"] == 1.0


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="1 sentence; give 6 or more"):
        analysed(decoded(1))
    *others, other = decoded(6)
    odd = DecodedTrial("d", None, other.sentence, None, None, {"other": ""})
    with pytest.raises(DataError, match="the same decoders"):
        analysed([*others, odd])


def test_empty_panels_are_refused(axis) -> None:
    for draw in (
        lambda: word_matrix(axis, count_word_errors([("a", "a")])),
        lambda: pair_rows(axis, ()),
        lambda: repair_rows(axis, (), labels=()),
        lambda: rates_along(axis, ()),
        lambda: oracle_curve(axis, ()),
    ):
        with pytest.raises(ConfigError, match="leave the panel out|to draw"):
            draw()


def test_word_pairs_lie_at_their_places(axis) -> None:
    errors = count_word_errors([("a zoo", "b zoo"), ("a", "b"), ("zoo", "you")])
    word_matrix(axis, errors)
    dots = axis.collections[0]
    assert dots.get_offsets().tolist() == [[0, 1], [3, 2]]
    assert dots.get_sizes()[0] == 2 * dots.get_sizes()[1]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "y", "z"]
    listed = [text.get_text() for text in axis.texts]
    assert listed == ["2", "a \u2192 b"]


def test_marks_of_the_papers_pairs_are_filled(axis) -> None:
    pairs = analysed().pairs
    pair_rows(axis, pairs, marked=[("P", "B")])
    marks = [line for line in axis.lines if line.get_marker() == "o"]
    filled = [line.get_markerfacecolor() == line.get_color() for line in marks]
    assert filled == [pair.name == "B/P" for pair in pairs]


def test_what_a_filled_mark_says_stands_in_the_picture_and_in_the_table() -> None:
    figure = error_figures(analysed())["phoneme-pairs"]
    assert figure.axes[0].get_title("left") == "filled: named by the BIT paper"
    columns = plotted(figure)[0].columns
    named = dict(zip(columns["pair"], columns["named_by_the_BIT_paper"], strict=True))
    assert named["B/P"]
    assert named == {name: tuple(name.split("/")) in PAPER for name in named}


def test_no_axis_ends_past_all_words_where_none_was_put_in() -> None:
    wrong = [
        replace(trial, systems={"looked up": " ".join("pat" for _ in trial.sentence.split())})
        for trial in decoded()
    ]
    figures = error_figures(analysed(wrong))
    for name in ("where", "sessions"):
        for axis in figures[name].axes:
            assert axis.get_ylim() == (0, 100)
    assert figures["prompt-sets"].axes[0].get_xlim() == (0, 100)


def test_only_a_word_error_rate_may_pass_all_words() -> None:
    wrong = [
        replace(trial, systems={"looked up": " ".join(["pat"] * 7)}, candidates=())
        for trial in decoded()
    ]
    rate, *missed = error_figures(analysed(wrong))["where"].axes
    assert rate.get_ylim()[1] > 100
    assert [axis.get_ylim() for axis in missed] == [(0, 100), (0, 100)]
