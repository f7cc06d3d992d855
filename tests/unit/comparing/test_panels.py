import math
import shutil
from pathlib import Path

import pytest

from sylvian.comparing.panels import Comparison, compare_runs
from sylvian.comparing.reading import Decoded, read_all, read_decoded
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import Protocol, ScoreReport
from sylvian.figures.comparison import SystemPanel
from sylvian.runs import RunFolder
from tiny.decoded import Maker, prepared

S15 = "participant=S15"


def read(*runs: RunFolder, split: str = "test", **called: str) -> list[Decoded]:
    return [read_decoded(run, split, called=called.get(run.path.name)) for run in runs]


def panel(found: Comparison, *wanted: str) -> SystemPanel:
    return next(
        one for one in found.panels if {one.participant, one.speech, one.unit} >= set(wanted)
    )


def test_seeds_are_one_system_and_speech_is_apart(make: Maker) -> None:
    rnn = [make("rnn", S15, wrong=0.6, seed=seed) for seed in (0, 1)]
    tfs = [make("tfs", S15, wrong=0.2, seed=seed) for seed in (0, 1)]
    found = compare_runs(read(*rnn, *tfs))
    assert [(one.speech, one.unit) for one in found.panels] == [
        ("attempted", "per"),
        ("imagined", "per"),
        ("attempted", "wer"),
        ("imagined", "wer"),
    ]
    assert found.against == "rnn"
    assert found.simulated
    base, new = panel(found, "attempted", "per").rows
    assert (base.name, new.name) == ("rnn", "tfs")
    assert (base.encoder, new.encoder) == ("gru", "transformer")
    assert base.n_seeds == new.n_seeds == 2
    assert base.change is None
    assert new.change is not None
    assert new.change.high < 0
    assert new.change.p < 0.05
    scores = ScoreReport.read(tfs[0].split("test") / "scores.json")
    whole = sum(
        row.score.counts.n_reference for one in found.panels for row in one.rows
        if one.unit == "wer" and row.name == "tfs" and row.score
    )  # fmt: skip
    assert whole == 2 * scores.find("wer").counts.n_reference
    assert any("2 trainings of each system (seeds 0, 1)" in note for note in found.notes)
    assert any("One participant only" in note for note in found.notes)


def test_a_figure_is_no_look_at_the_split(make: Maker) -> None:
    run = make()
    before = (run.path / "protocol.json").read_bytes()
    compare_runs(read(run))
    assert (run.path / "protocol.json").read_bytes() == before
    assert Protocol.open(run.path).n_openings("test") == 1


def test_one_system_of_two_people_is_compared_with_none(make: Maker) -> None:
    found = compare_runs(read(make()))
    assert found.against is None
    assert [one.participant for one in found.panels] == ["S15"] * 4 + ["S16"] * 4
    assert all(row.change is None for one in found.panels for row in one.rows)
    assert not any("One participant" in note for note in found.notes)
    assert any("nothing is said about training again" in note for note in found.notes)


def test_systems_of_one_recipe_are_told_apart_by_what_differs(make: Maker) -> None:
    runs = [make("tfs", S15, f"encoder.depth={depth}") for depth in (2, 3)]
    assert [row.name for row in compare_runs(read(*runs)).panels[0].rows] == [
        "tfs (depth=2)",
        "tfs (depth=3)",
    ]
    called = {runs[1].path.name: "deep"}
    names = [row.name for row in compare_runs(read(*runs, **called)).panels[0].rows]
    assert names == ["tfs", "deep"]


def test_many_differences_are_named_by_the_run(make: Maker) -> None:
    more = ["encoder.depth=1", "train.learning_rate=2e-3", "augment.noise_std=0.5"]
    runs = [make("tfs", S15), make("tfs", S15, *more)]
    names = [row.name for row in compare_runs(read(*runs)).panels[0].rows]
    assert names == [f"tfs ({run.path.name[-8:]})" for run in runs]


def test_what_was_given_one_name_is_one_system_and_says_how_it_differs(make: Maker) -> None:
    runs = [make("tfs", S15, f"encoder.depth={2 + seed}", seed=seed) for seed in (0, 1)]
    called = {run.path.name: "ours" for run in runs}
    found = compare_runs(read(*runs, **called))
    (row,) = found.panels[0].rows
    assert (row.name, row.n_seeds) == ("ours", 2)
    assert "The runs of ours differ in encoder.depth." in found.notes


def test_unequal_seeds_are_told(make: Maker) -> None:
    runs = [make("rnn", S15, seed=seed) for seed in (0, 1)]
    found = compare_runs(read(*runs, make("tfs", S15, seed=5)))
    assert any("rnn 0, 1; tfs 5; unequal seeds are drawn apart" in note for note in found.notes)
    assert found.panels[0].rows[1].change is not None


def test_imagined_speech_that_somebody_lacks_is_an_honest_blank(make: Maker) -> None:
    both = make("tfs", S15)
    attempted = make("tfs", "participant=S16", 'strategies=["attempted"]')
    found = compare_runs(read(both, attempted))
    lacking = panel(found, "S16", "imagined", "per")
    assert lacking.rows == ()
    assert lacking.blank == "No imagined speech of S16 was decoded."
    only = compare_runs(read(attempted))
    assert {one.speech for one in only.panels} == {"attempted"}
    assert "No imagined speech is among these trials." in only.notes


def test_a_system_that_was_not_run_somewhere_has_an_empty_row(make: Maker) -> None:
    rnn = make("rnn", S15)
    tfs = make("tfs")
    found = compare_runs(read(rnn, tfs))
    row = panel(found, "S16", "attempted", "per").rows[0]
    assert (row.name, row.score, row.note) == ("rnn", None, "not run")
    assert "S16 attempted: rnn was not run, so no change." in found.notes


def test_too_few_sentences_have_no_statistic(make: Maker, tmp_path: Path) -> None:
    data = prepared(tmp_path, S15=(6,))
    runs = [make(kind, S15, data=data, wrong=wrong) for kind, wrong in (("rnn", 0.5), ("tfs", 0.1))]
    found = compare_runs(read(*runs))
    row = found.panels[0].rows[1]
    assert row.score is not None
    assert row.change is not None
    assert math.isnan(row.score.low) and math.isnan(row.change.p)
    assert "no statistic" in row.note
    assert any("3 sentences, too few for statistics" in note for note in found.notes)


def test_only_some_trials_may_be_asked_for(make: Maker) -> None:
    found = read(make())
    kept = compare_runs(found, participant="S16", speech="imagined").panels
    assert {(one.participant, one.speech) for one in kept} == {("S16", "imagined")}
    with pytest.raises(ConfigError, match="no trial of S99 in these runs; there are: S15 attempt"):
        compare_runs(found, participant="S99")


def test_other_splits_are_refused_by_the_first_trial_that_differs(make: Maker) -> None:
    bit = make("rnn", S15)
    val = make("tfs", S15, "splits=blocks", split="val")
    own = make("tfs", S15, split="val")
    with pytest.raises(DataError, match=r"/b\d\d/t\d\d\d: a trial of \S+ \((test|val)\) and not"):
        compare_runs([*read(bit), *read(own, split="val")])
    with pytest.raises(DataError, match=r"splits=(bit|blocks) and splits=(bit|blocks)"):
        compare_runs([*read(own, split="val"), *read(val, split="val")])


def test_runs_on_nothing_in_common_are_refused(make: Maker) -> None:
    with pytest.raises(DataError, match=r"no two systems have trials in common \(rnn: S15"):
        compare_runs(read(make("rnn", S15), make("tfs", "participant=S16")))


def test_other_recordings_of_the_same_name_are_refused(make: Maker, tmp_path: Path) -> None:
    other = prepared(tmp_path, seed=5, S15=(16, 16))
    with pytest.raises(DataError, match=r"^synthetic/S15/.*know different labels"):
        compare_runs(read(make("rnn", S15), make("tfs", S15, data=other)))


def test_one_seed_twice_is_not_two_trainings(make: Maker, tmp_path: Path) -> None:
    runs = [make("tfs", S15, "encoder.depth=2"), make("tfs", S15, "encoder.depth=3")]
    called = {run.path.name: "ours" for run in runs}
    with pytest.raises(DataError, match=r"one system and one seed \(train.seed=0\)"):
        compare_runs(read(*runs, **called))


def test_unequal_vocabularies_are_refused(make: Maker) -> None:
    runs = [make("rnn", S15), make("tfs", S15, "train.epochs=9", tokens=("BLANK", "AA", "QX"))]
    with pytest.raises(DataError, match="unequal vocabularies, 'AE' is a token of one alone"):
        compare_runs(read(*runs))


def test_an_unknown_reference_lists_the_systems(make: Maker) -> None:
    with pytest.raises(ConfigError, match="no such system; there are: rnn, tfs"):
        compare_runs(read(make("rnn", S15), make("tfs", S15)), against="all")


def test_a_split_that_was_not_decoded_or_scored_is_named(make: Maker) -> None:
    run = make("tfs", S15, "train.epochs=7", score=False)
    with pytest.raises(DataError, match=r"test was decoded but not scored; run 'sylvian score"):
        read_decoded(run, "test")
    with pytest.raises(DataError, match=r"val: not decoded; run 'sylvian decode"):
        read_decoded(run, "val")
    with pytest.raises(ConfigError, match="no trials in split 'exam'"):
        read_decoded(run, "exam")


def test_decodes_newer_than_their_scores_are_refused(make: Maker) -> None:
    scored = make("tfs", S15, "train.epochs=8")
    run = make("tfs", S15, "train.epochs=8", wrong=0.9, score=False)
    shutil.copy(scored.split("test") / "scores.json", run.split("test"))
    with pytest.raises(DataError, match="newer than its scores; run 'sylvian score"):
        read_decoded(run, "test")


def test_speech_that_was_never_learnt_is_a_system_of_its_own(make: Maker) -> None:
    only = 'strategies=["attempted"]'
    learnt, new = make("tfs", S15), make("tfs", S15, only)
    make("tfs", S15, only, split="test/imagined")
    found = [one for run in (learnt, new) for one in read_all(run, "test")]
    assert [one.job.split for one in found] == ["test", "test", "test/imagined"]
    imagined = panel(compare_runs(found), "imagined", "per")
    assert [row.name for row in imagined.rows if row.score] == ["tfs", "tfs, zero-shot"]
    assert len(read_all(learnt, "test")) == 1


def test_one_name_for_models_of_two_kinds_of_speech_is_told(make: Maker) -> None:
    runs = [make("tfs", S15, f'strategies=["{kind}"]') for kind in ("attempted", "imagined")]
    found = compare_runs(read(*runs))
    assert {row.name for one in found.panels for row in one.rows} == {"tfs"}
    told = (
        "tfs is not one model: those of S15's attempted speech and of S15's imagined speech differ "
        "in strategies."
    )
    assert told in found.notes
    both = compare_runs(read(make("tfs"), make("rnn", S15), make("rnn", "participant=S16")))
    assert not any("is not one model" in note for note in both.notes)
    mixed = compare_runs(read(make("tfs", S15), make("tfs", "participant=S16", "encoder.depth=2")))
    assert any(
        "those of S15's speech and of S16's speech differ in encoder.depth." in note
        for note in mixed.notes
    )
