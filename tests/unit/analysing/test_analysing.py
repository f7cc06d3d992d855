"""From run folders to analyses: what is read, what is written, what is refused."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from sylvian import cli
from sylvian.analysing import AnalysisResult, analyse
from sylvian.data.corpora import Synthetic
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.data.synthetic import ImaginedConfig, ParticipantConfig, SyntheticConfig, simulate
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import Protocol
from sylvian.models.artefact import load_model, save_model
from sylvian.models.batch import make_batch
from sylvian.models.ctc import CtcModel, logits_of
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.recipes import build_recipe
from sylvian.representations import FEATURES, OUTPUT, every_strategy, represent
from sylvian.runs import RunFolder
from sylvian.text import normalize_sentence, phoneme_vocabulary
from sylvian.text.vocabulary import Vocabulary
from sylvian.types import Strategy
from tiny.text import saved

SMALL = ["width=16", "depth=2", "heads=1", "head_width=8", "feedforward=16"]
QUICK = [
    *("n_permutations=100", "rsa.n_permutations=200", "rsa.n_resamples=100"),
    *("n_segments=3", "least_said=1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysing")
    people = [
        ParticipantConfig(
            name=name,
            layout="card2024",
            sessions=4 if name == "S15" else 1,
            train_trials=1,
            eval_trials=7,
            hidden_trials=1,
            max_words=4,
            fifty_share=1.0,
            train_only_sessions=(),
            imagined=ImaginedConfig(sessions=(1, 3)) if name == "S15" else None,
        )
        for name in ("S15", "S16")
    ]
    simulate(SyntheticConfig(participants=tuple(people)), folder / "raw")
    prepare(Synthetic(folder / "raw"), folder / "data", jobs=1)
    return folder / "data"


def make_run(data: Path, runs: Path, *more: str, kind: str = "tfs", seed: int = 0) -> RunFolder:
    """Leave the files of a finished training with fresh weights."""
    own = [f"encoder.{one}" for one in SMALL] if kind == "tfs" else ["encoder.width=8"]
    recipe = build_recipe(kind, ["corpus=synthetic", *own, f"train.seed={seed}", *more])
    corpus = PreparedCorpus.open(data, "synthetic")
    wanted = {
        info.key.session_path: info.key.participant
        for info in corpus.infos
        if recipe.participant in (None, info.key.participant)
        and (recipe.strategies is None or info.strategy in recipe.strategies)
    }
    sessions = [
        SessionSpec(
            path=path, participant=f"synthetic/{who}", n_channels=corpus.session_channels[path]
        )
        for path, who in sorted(wanted.items())
    ]
    run = RunFolder.place(recipe, corpus.digest, runs)
    run.create(recipe, data=data, data_digest=corpus.digest, facts={})
    encoder = build_encoder(recipe.encoder, sessions, seed=seed)
    save_model(CtcModel(encoder, phoneme_vocabulary(), seed=seed), run.best)
    run.write("trained.json", {"val_per": 1.0})
    return run


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(data, tmp_path_factory.mktemp("runs"), "participant=S15")


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(saved(tmp_path_factory.mktemp("llm") / "tiny", "llama"))


def look(name: str, runs: list[RunFolder], out: Path, llm: str = "", **more: str) -> AnalysisResult:
    return analyse(name, runs, "val", out=out, llm=llm, overrides=QUICK, **more)


def test_layers_and_words_are_those_of_each_trial_alone(run: RunFolder) -> None:
    job = every_strategy(run, "val")
    found = represent(job, n_segments=1)
    assert tuple(found.layers) == (FEATURES, "read-in", "block 1", OUTPUT)
    assert found.strategies == ("attempted", "imagined") == found.tasks
    model = load_model(run.best)
    for place in (0, 9):
        trial = job.corpus.read(found.infos[place].key)
        batch = make_batch(
            [trial], session_index=model.encoder.session_index, vocabulary=model.vocabulary
        )
        latents = model.encoder(batch.features, batch.n_bins, batch.session)[0].detach()
        expected = latents.mean(0).numpy()
        # trained in bfloat16, so it is looked at in bfloat16
        np.testing.assert_allclose(found.layers[OUTPUT][place], expected, atol=0.1)
        assert found.n_frames[place] == len(latents) == len(logits_of(model, batch)[0].values)
    sentences = {str(info.key): info.sentence for info in found.infos}
    words = found.words[OUTPUT]
    for key in dict.fromkeys(words.trials):
        said = [word for word, trial in zip(words.words, words.trials, strict=True) if trial == key]
        assert said == normalize_sentence(sentences[key]).split()
    assert set(found.words) == set(found.layers)
    assert len(words.vectors) == len(found.words[FEATURES].vectors)


@pytest.mark.parametrize(("name", "per_layer"), [("rsa", 2), ("lda", 1), ("words", 1), ("cka", 4)])
def test_each_analysis_leaves_numbers_and_a_figure(
    run: RunFolder, tmp_path: Path, llm: str, name: str, per_layer: int
) -> None:
    opened = Protocol.open(run.path).n_openings("val")
    found = look(name, [run], tmp_path, llm)
    assert Protocol.open(run.path).n_openings("val") == opened + 1
    files = [Path(one) for one in found.files]
    assert [one.name for one in files] == [
        f"{name}-val{s}" for s in (".json", ".pdf", ".png", ".csv")
    ]
    assert all(one.stat().st_size for one in files)
    told = json.loads(files[0].read_text())
    assert told["runs"] == [str(run.path)] and told["config"]["seed"] == 0
    assert "commit" in told["environment"]
    assert len(told["rows"]) == len(found.rows) >= 4 * per_layer
    assert all(row["seed"] == 0 and row["n"] > 0 for row in told["rows"])
    table = list(csv.DictReader(files[3].read_text().splitlines()))
    numbers = [row for row in table if "slope" not in row or not row["slope"]]
    assert len(numbers) == len(found.rows)
    assert found.table().row_count == len(found.rows)


def test_words_of_both_tasks_lie_in_one_plane(run: RunFolder, tmp_path: Path) -> None:
    found = look("pca", [run], tmp_path)
    words = {(row["layer"], row["word"], row["task"]) for row in found.rows}
    for layer, word, task in words:
        other = "imagined" if task == "attempted" else "attempted"
        assert (layer, word, other) in words
    assert {layer for layer, *_ in words} == {FEATURES, OUTPUT}


def test_two_runs_are_aligned_on_the_same_trials(
    run: RunFolder, data: Path, tmp_path: Path
) -> None:
    other = make_run(data, tmp_path / "runs", "participant=S15", seed=1)
    found = look("cka", [run, other], tmp_path)
    rows = {(row["layer"], row["other"]): row for row in found.rows}
    assert rows[FEATURES, FEATURES]["cka"] == pytest.approx(1)
    assert rows[OUTPUT, OUTPUT]["cka"] < 0.999
    assert found.rows[0]["other_run"] == other.path.name
    with pytest.raises(DataError, match="one run with itself or two"):
        look(
            "cka",
            [run, other, make_run(data, tmp_path / "more", "participant=S15", seed=2)],
            tmp_path,
        )


def test_a_run_of_attempted_speech_is_shown_imagined_trials_too(data: Path, tmp_path: Path) -> None:
    strategies = ("participant=S15", 'strategies=["attempted"]')
    gru = make_run(data, tmp_path, *strategies, kind="rnn")
    job = every_strategy(gru, "val")
    assert {info.strategy for info in job.infos} == {Strategy.ATTEMPTED, Strategy.IMAGINED}
    found = represent(job, words=False)
    assert tuple(found.layers) == (FEATURES, OUTPUT) and not found.words
    assert len(found.borrowed) == 2  # imagined sessions: the day before lends its layers
    told = look("lda", [gru], tmp_path)
    assert any("the nearest day's were used" in note for note in told.notes)
    assert any("share no session" in note for note in told.notes)


def test_several_participants_are_told_apart(data: Path, tmp_path: Path) -> None:
    both = make_run(data, tmp_path)
    with pytest.raises(ConfigError, match="participants S15, S16 .* --participant"):
        every_strategy(both, "val")
    job = every_strategy(both, "val", participant="S16")
    assert {info.key.participant for info in job.infos} == {"S16"}
    with pytest.raises(DataError, match="only attempted trials"):
        look("lda", [both], tmp_path, participant="S16")
    alone = look("pca", [both], tmp_path, participant="S16")
    assert {row["task"] for row in alone.rows} == {"attempted"}


def test_what_cannot_be_analysed_is_refused(run: RunFolder, tmp_path: Path, llm: str) -> None:
    with pytest.raises(ConfigError, match="no analysis 'tsne'; there are: rsa"):
        look("tsne", [run], tmp_path)
    with pytest.raises(ConfigError, match="different runs"):
        look("cka", [run, run], tmp_path)
    with pytest.raises(DataError, match="no sentence is known"):
        analyse("rsa", [run], "test", out=tmp_path, llm=llm, overrides=QUICK)
    assert not list(tmp_path.iterdir())
    few = [*QUICK, "rsa.shortest=100000"]
    blank = analyse("rsa", [run], "val", out=tmp_path, llm=llm, overrides=few)
    assert all(row["r"] is None and "needs 10" in str(row["note"]) for row in blank.rows)


def test_runs_over_other_trials_and_splits_that_are_missing_are_refused(
    run: RunFolder, data: Path, tmp_path: Path
) -> None:
    rule = "bit" if run.recipe.splits == "benchmark" else "benchmark"
    other = make_run(data, tmp_path / "runs", "participant=S15", f"splits={rule}")
    for name in ("cka", "lda", "rsa"):
        with pytest.raises(DataError, match=r"trials in split val, not the .* of one split rule"):
            look(name, [run, other], tmp_path)
    with pytest.raises(ConfigError, match="no trials in split 'devel'; there are: "):
        analyse("lda", [run], "devel", out=tmp_path)
    with pytest.raises(ConfigError, match="name one of them with --participant"):
        look("pca", [run], tmp_path, participant="S99")
    assert not list(tmp_path.glob("*.json"))


def test_labels_that_an_encoder_did_not_learn_are_named(run: RunFolder, tmp_path: Path) -> None:
    copied = RunFolder(tmp_path / run.path.name)
    shutil.copytree(run.path, copied.path)
    model = load_model(run.best)
    few = Vocabulary(tuple(one for one in phoneme_vocabulary().tokens if one != "AY"))
    shutil.rmtree(copied.best)
    save_model(CtcModel(model.encoder, few, seed=0), copied.best)
    job = every_strategy(copied, "val")
    assert represent(job, words=False).layers  # which can be compared whatever a head names
    with pytest.raises(DataError, match=r"synthetic/S15/.*'AY'.* learnt other labels"):
        look("words", [copied], tmp_path)


def test_the_command_prints_a_table_or_json(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ["sylvian", "analyse", "words", str(run.path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*call, *(f"--set={one}" for one in QUICK), "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert told["analysis"] == "words" and len(told["rows"]) == 4
