"""Weights rank the lists they were tuned on, and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sylvian.decode.combine import with_llm
from sylvian.decode.config import WEIGHTS
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.decoding import Searched, Setting, in_use, read_decodes, resolve, write_decodes
from sylvian.evaluate.protocol import Protocol
from sylvian.jobs import Job
from sylvian.outcomes import DecodeResult
from sylvian.pipeline import tune
from sylvian.rescoring import rescore_split
from sylvian.runs import RunFolder
from sylvian.types import Hypothesis, NBest, Scores

Train = Callable[..., RunFolder]
TUNED = ("acoustic_scale=1.5", "word_bonus=-2", "end_to_end_weight=0", "beam=9")


@pytest.fixture
def run(train: Train) -> RunFolder:
    return train("end_to_end")


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    path = tmp_path / "lm.arpa"
    path.write_text("no one reads it")
    return path


def of(job: Job, *overrides: str, lm: Path | None = None) -> Setting:
    return resolve(job, lm=str(lm) if lm else None, lexicon=None, overrides=overrides)


def weights(setting: Setting) -> dict[str, float]:
    return {name: getattr(setting.decode, name) for name in WEIGHTS}


def generated(*candidates: tuple[str, float]) -> Sequence[Hypothesis]:
    return tuple(
        Hypothesis(text, (), Scores(0.0, n_words=len(text.split()), end_to_end=nats))
        for text, nats in candidates
    )


def left(job: Job, setting: Setting, hypotheses: Sequence[Hypothesis]) -> DecodeResult:
    """Leave the same list of every trial."""
    lists = [NBest(info.key, tuple(hypotheses)) for info in job.infos]
    return write_decodes(job, setting, Searched(lists, lists, 0.1), seconds_encoder=0.1)


SOME = generated(("yes", -3.0), ("", -1.0), ("yes I see", -2.0))


@pytest.mark.parametrize("tuned", ["ctc", "cascade"])
@pytest.mark.parametrize("asked", ["alone", "ctc", "cascade"])
def test_tuned_weights_rank_such_lists_alone(
    run: RunFolder, lm: Path, tuned: str, asked: str
) -> None:
    job = Job.open(run, "test")
    theirs = of(job, f"joint={tuned}", *TUNED, lm=lm if tuned == "cascade" else None)
    run.write("decoder.json", theirs.to_json())
    own = of(job, f"joint={asked}")
    result = left(job, own, SOME)
    used = in_use(job, run.read_optional("test/decode.json") or {})
    notes = [one for one in read_decodes(job).notes if "left aside" in one]
    assert own.decode.beam == 9.0  # no weight, so as it was before
    if tuned == asked:
        assert weights(own) == weights(used) == weights(theirs)
        assert own.lm == theirs.lm
        assert not notes and not result.warnings
        return
    usual = {name: getattr(job.recipe.decode, name) for name in WEIGHTS}
    assert weights(own) == weights(used) == usual != weights(theirs)
    assert notes == list(result.warnings)
    assert f"joint={tuned}" in notes[0] and f"lists of joint={asked}" in notes[0]
    assert f"sylvian tune {run.path}" in notes[0]
    assert of(job, f"joint={asked}", "word_bonus=1").decode.word_bonus == 1.0


def test_tuned_weights_are_of_one_n_gram(train: Train, lm: Path) -> None:
    job = Job.open(train("imagined"), "test")
    job.run.write("decoder.json", of(job, "acoustic_scale=1.5", lm=lm).to_json())
    assert of(job).decode.acoustic_scale == of(job, lm=lm).decode.acoustic_scale == 1.5
    other = lm.rename(lm.with_name("other.arpa"))
    own = of(job, lm=other)
    assert own.decode.acoustic_scale == job.recipe.decode.acoustic_scale
    (note,) = left(job, own, [Hypothesis("yes", (), Scores(-1.0, -1.0, 1))]).warnings
    assert str(lm) in note and str(other) in note
    assert note in read_decodes(job).notes


def test_weights_asked_for_at_decode_give_way_to_tuned_ones_and_that_is_said(
    train: Train, lm: Path
) -> None:
    job = Job.open(train("imagined"), "test")
    job.run.write("decoder.json", of(job, "acoustic_scale=1.5", lm=lm).to_json())
    said = [Hypothesis("yes", (), Scores(-1.0, -1.0, 1))]
    left(job, of(job, "word_bonus=3", lm=lm), said)
    (note,) = read_decodes(job).notes
    assert note.startswith("test was decoded with word_bonus=3, and is ranked by the weights in")
    left(job, of(job, lm=lm), said)
    assert not read_decodes(job).notes


def test_the_order_of_a_search_stands_until_a_weight_turns_it(run: RunFolder) -> None:
    """A list generated alone is ranked by its search, which has looked at more than one number."""
    job = Job.open(run, "test")

    def first() -> set[str]:
        assert read_decodes(job).nbest is not None
        return {one.best.text for one in (read_decodes(job).nbest or {}).values()}

    left(job, of(job), SOME)
    assert first() == {"yes"}  # neither by nats alone
    assert {len(one.hypotheses) for one in (read_decodes(job).nbest or {}).values()} == {3}
    left(job, of(job), [SOME[1], *SOME])
    assert first() == {""}  # nor is silence passed over
    left(job, of(job, "word_bonus=0.1"), SOME)
    assert first() == {""}
    left(job, of(job, "word_bonus=1"), SOME)
    assert first() == {"yes I see"}
    left(job, of(job), SOME)
    run.write("decoder.json", of(job, "word_bonus=1").to_json())  # tuned for such lists
    assert first() == {"yes I see"}


def test_a_second_pass_leaves_the_order_of_the_search_to_be_found_again(run: RunFolder) -> None:
    job = Job.open(run, "test")
    left(job, of(job, "llm_weight=0.5"), SOME)
    path = job.folder / "nbest.jsonl"
    nats = {"yes": -9.0, "": 0.0, "yes I see": -1.0}
    write_nbest(path, [with_llm(one, nats) for one in read_nbest(path)])
    ranked = (read_decodes(job).nbest or {}).values()
    assert {one.best.text for one in ranked} == {"yes I see"}  # it knows nothing of silence
    result = rescore_split(job, llm="none", overrides=(), progress=lambda *_: None)
    assert result.n_changed == len(job.infos)
    assert {one.hypotheses for one in read_nbest(path)} == {SOME}


def test_tuning_counts_what_the_search_put_first(run: RunFolder) -> None:
    """And silence, which is one of the candidates of a model that generates."""
    job = Job.open(run, "val")
    said = [info.sentence or "" for info in job.infos]
    right = [
        NBest(info.key, (*generated((text, -9.0)), *SOME))
        for info, text in zip(job.infos, said, strict=True)
    ]
    write_decodes(job, of(job), Searched(right, right, 0.1), seconds_encoder=0.1)
    result = tune(run)
    assert (result.wer_before, result.wer_after) == (0.0, 0.0)
    assert result.weights["word_bonus"] == 0.0
    silence = [NBest(one.key, SOME[1:2] + one.hypotheses[:1]) for one in right]
    write_decodes(job, of(job), Searched(silence, silence, 0.1), seconds_encoder=0.1)
    result = tune(run)
    assert result.wer_before == 1.0
    assert result.wer_after < 1.0 and result.weights["word_bonus"] > 0.0
    assert Protocol.open(run.path).entries
