"""What a model was taught before counts as taught."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sylvian.claiming import claim_rate
from sylvian.decoding import read_decodes, write_decodes
from sylvian.decoding.searching import Searched
from sylvian.decoding.setting import Setting, resolve
from sylvian.evaluate.report import SEEN, UNSEEN, ScoreReport
from sylvian.evaluate.score import score_trial, score_trials
from sylvian.jobs import Job, Lost, trainings
from sylvian.pipeline import score
from sylvian.reporting import run_report
from sylvian.runs import RunFolder
from sylvian.types import Hypothesis, NBest, Scores, Strategy

Train = Callable[..., RunFolder]


def decoded(job: Job) -> None:
    """Leave decodes behind that are right."""
    nbests = [
        NBest(info.key, (Hypothesis(info.sentence or "", info.phonemes or (), Scores(0.0)),))
        for info in job.infos
    ]
    setting = Setting(job.recipe.decode, None, None)
    write_decodes(job, setting, Searched(nbests, None, 0.1), seconds_encoder=0.1)


def counts(report: ScoreReport) -> tuple[int, int]:
    """Sentences seen and not seen in training."""
    found = [report.find("wer", group) for group in (SEEN, UNSEEN)]
    return found[0].n_trials if found[0] else 0, found[1].n_trials if found[1] else 0


def rated(run: RunFolder) -> tuple[int, int]:
    """Score a right decode of val and test."""
    seen = unseen = 0
    for split in ("val", "test"):
        decoded(Job.open(run, split))
        own = counts(score(run, split).report)
        seen, unseen = seen + own[0], unseen + own[1]
    return seen, unseen


def test_sentences_of_an_earlier_task_are_not_new(train: Train) -> None:
    assert rated(train("imagined")) == (1, 3)
    first = train("attempted")
    assert rated(train("cross_task_only", start=first)) == (3, 1)


def test_the_chain_of_starts_is_followed_to_its_end(train: Train) -> None:
    first = train("attempted")
    second = train("imagined", start=first)
    third = train("imagined", "train.seed=1", start=second)
    assert [run.path.name for run in trainings(third).runs] == [
        run.path.name for run in (third, second, first)
    ]
    assert rated(third) == (3, 1)
    assert Job.open(third, "val/attempted").zero_shot == ()


def test_the_n_gram_of_the_training_text_is_of_the_run_alone(train: Train) -> None:
    job = Job.open(train("cross_task_only", start=train("attempted")), "test")
    assert job.training_sentences == ("I want water",)
    assert job.earlier_sentences == ("yes I see", "how are you")
    lm = resolve(job, lm=None, lexicon=None, overrides=()).lm
    assert lm is not None
    assert "how" not in gzip.decompress(lm.read_bytes()).decode().split()


def test_the_same_trials_learnt_twice_are_counted_once(train: Train) -> None:
    job = Job.open(train("imagined", "train.seed=1", start=train("imagined")), "test")
    assert job.seen_sentences == ("I want water",)
    assert len(job.learnt.trials) == 1


def test_a_run_folder_that_moved_is_found_beside_its_heir(train: Train, tmp_path: Path) -> None:
    first = train("attempted")
    heir = train("cross_task_only", start=first)
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert rated(RunFolder(tmp_path / "moved" / heir.path.name)) == (3, 1)


def test_a_start_that_is_gone_is_said_and_not_fatal(train: Train) -> None:
    first = train("attempted")
    heir = train("cross_task_only", start=first)
    shutil.rmtree(first.path)
    assert rated(heir) == (1, 3)
    (note,) = [one for one in score(heir, "test").notes if str(first.best) in one]
    assert "may count as not seen" in note
    assert note in run_report(heir).warnings
    said = claim_rate(heir, "test").claim
    assert "a training before it is not on record, whose sentences may count as not seen" in said
    assert Job.open(heir, "test/attempted").zero_shot == ()  # it may have learnt that, too


def test_recordings_that_are_gone_are_said(
    train: Train, forget: Callable[[RunFolder], None], tmp_path: Path, prepared: Path
) -> None:
    first = train("attempted", "normalize.kind=none")
    heir = train("cross_task_only", start=first)
    forget(first)
    assert Job.open(heir, "test").learnt.unknown == ()  # found where the heir's own are
    forget(heir)
    shutil.copytree(prepared / "synthetic", tmp_path / "elsewhere" / "synthetic")
    assert Job.open(heir, "test", data=tmp_path / "elsewhere").learnt.unknown == ()
    path = first.path / "recipe.json"
    path.write_text(path.read_text().replace('"corpus": "synthetic"', '"corpus": "card2024"'))
    job = Job.open(heir, "test", data=prepared)
    (note,) = job.learnt.unknown
    assert f"{first.path}: its recordings are not at hand" in note
    assert Strategy.ATTEMPTED in job.learnt.strategies


def test_pretraining_teaches_no_sentence(train: Train, tmp_path: Path) -> None:
    alone = tmp_path / "handed" / "over"
    alone.mkdir(parents=True)
    (alone / "pretraining.json").write_text("{}")
    job = Job.open(train("imagined", start=alone), "test")
    assert job.learnt.unknown == ()
    assert trainings(job.run).lost == (Lost(alone, labelled=False),)
    assert job.learnt.strategies == {Strategy.IMAGINED}
    gone = tmp_path / "runs" / "pretraining-12345678" / "checkpoint" / "best"
    job = Job.open(train("imagined_human", start=gone), "val/attempted")
    assert (job.learnt.unknown, job.zero_shot) == ((), (Strategy.ATTEMPTED,))
    job = Job.open(train("imagined", start=gone), "val/attempted")
    assert len(job.learnt.unknown) == 1 and job.zero_shot == ()


def test_members_of_an_ensemble_count_together(train: Train) -> None:
    members = [train("imagined"), train("cross_task_only", start=train("attempted"))]
    together = train("imagined", "train.seed=5")
    together.write("members.json", {"runs": [str(one.path) for one in members], "mean": "logits"})
    job = Job.open(together, "test")
    assert set(job.seen_sentences) == {"I want water", "yes I see", "how are you"}
    found: Any = score_trials(
        [score_trial(info, text="") for info in job.infos], training_sentences=job.seen_sentences
    )
    assert sum(counts(found)) == len(job.infos)
    decoded(job)
    assert read_decodes(job).notes == ()
