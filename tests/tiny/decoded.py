"""Runs that were decoded and scored with mistakes of our choice; no network is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.decode.io import write_logits
from sylvian.decoding import Searched, Setting, compare, write_decodes
from sylvian.evaluate import Protocol, score_trials
from sylvian.jobs import Job
from sylvian.recipes import build_recipe
from sylvian.runs import RunFolder
from sylvian.text import Vocabulary, phoneme_vocabulary
from sylvian.types import Hypothesis, Logits, NBest, Scores, Strategy, Trial, TrialInfo, TrialKey

WORDS = {
    "bat": "B AE T",
    "pat": "P AE T",
    "see": "S IY",
    "yes": "Y EH S",
    "how": "HH AW",
    "water": "W AO T ER",
}
DAYS = {"2031-01-06": Strategy.ATTEMPTED, "2031-01-09": Strategy.IMAGINED}


@dataclass(frozen=True)
class Spoken:
    """People who say a few words: on the first day aloud, on the second in their minds.

    Attributes:
        n_eval: Held-out trials of each person's days, half of which become the test split.
        seed: Of what is said.
    """

    n_eval: dict[str, tuple[int, ...]]
    seed: int = 0

    @property
    def facts(self) -> CorpusFacts:
        """Facts that leave everything open."""
        people = {name: ParticipantFacts(n_channels=2) for name in self.n_eval}
        return CorpusFacts(
            name="synthetic", title="Made up", participants=people, splits=("train", "val")
        )

    def sessions(self) -> tuple[SessionRef, ...]:
        """A day for each number of trials."""
        return tuple(
            SessionRef(name, day, {}, context=str(self.seed))
            for name, counts in self.n_eval.items()
            for day, _ in zip(DAYS, counts, strict=False)
        )

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Two trials to learn from and the held-out ones."""
        place = list(DAYS).index(session.session)
        n = self.n_eval[session.participant][place]
        rng = np.random.default_rng([self.seed, place, len(session.participant)])
        for trial in range(2 + n):
            said = [str(word) for word in rng.choice(list(WORDS), size=4)]
            info = TrialInfo(
                TrialKey("synthetic", session.participant, session.session, 1, trial),
                "train" if trial < 2 else "val",
                10,
                sentence=" ".join(said),
                phonemes=tuple(" SIL ".join(WORDS[word] for word in said).split()),
                strategy=DAYS[session.session],
            )
            yield Trial(info, rng.normal(size=(10, 2)).astype(np.float32))


def prepared(folder: Path, seed: int = 0, **n_eval: tuple[int, ...]) -> Path:
    """Prepare people's days of so many held-out trials."""
    prepare(Spoken(n_eval, seed), folder / "data", jobs=1)
    return folder / "data"


@dataclass(frozen=True)
class Maker:
    """Leaves runs behind, each once; whoever changes one makes it with a setting of its own.

    Attributes:
        data: Folder of prepared corpora.
        runs: Folder of runs.
    """

    data: Path
    runs: Path

    def __call__(
        self,
        kind: str = "tfs",
        *more: str,
        wrong: float = 0.3,
        seed: int = 0,
        split: str = "test",
        score: bool = True,
        tokens: tuple[str, ...] | None = None,
        data: Path | None = None,
        hours: float | None = None,
        lm: Path | None = None,
        tuned: float | None = None,
    ) -> RunFolder:
        """Decode a share of the words and phonemes of a split wrong.

        Args:
            kind: Recipe.
            more: Overrides.
            wrong: Share of words and phonemes.
            seed: Of the training, and of the mistakes.
            split: What is decoded.
            score: Whether it is scored, too.
            tokens: What the head says; None for the 41 phonemes.
            data: Other recordings.
            hours: How long it was pretrained on; None: not at all.
            lm: The n-gram that found the words; None: they were looked up.
            tuned: The acoustic scale that was chosen for that n-gram; None: it was not tuned.
        """
        assigned = ["corpus=synthetic", "splits=bit", f"train.seed={seed}", *more]
        recipe = build_recipe(kind, assigned)
        folder = data or self.data
        corpus = PreparedCorpus.open(folder, "synthetic")
        run = RunFolder.place(
            recipe, corpus.digest, self.runs / f"{wrong:g}-{lm and lm.stem}-{tuned}"
        )
        if score and (run.split(split) / "scores.json").is_file():
            return run
        told = {"participants": ["S15"], "title": "Made up", "licence": "", "citation": ""}
        start = None if hours is None else self._pretrained(hours)
        run.create(recipe, data=folder, data_digest=corpus.digest, facts=told, start=start)
        run.write("trained.json", {"val_per": 0.5, "seconds": 1.0, "n_impossible": 0})
        job = Job.open(run, split)
        rng = np.random.default_rng([seed, 3])
        lists = [_heard(info, rng, wrong) for info in job.infos]
        setting = Setting(recipe.decode, lm, None)
        if tuned is not None:
            weights = recipe.decode.model_copy(update={"acoustic_scale": tuned})
            setting = replace(setting, decode=weights)
            run.write("decoder.json", setting.to_json())
        nbest = lists if lm else None
        write_decodes(job, setting, Searched(lists, nbest, 0.1), seconds_encoder=0.1)
        vocabulary = Vocabulary(tokens) if tokens else phoneme_vocabulary()
        said = np.zeros((1, len(vocabulary)), np.float32)
        logits = [Logits(info.key, said, 0.1, vocabulary) for info in job.infos[:1]]
        write_logits(job.folder / "logits.safetensors", logits)
        if score:  # as `sylvian score` does, with fewer resamples
            heard = {one.key: one for one in lists}
            report = score_trials(compare(job, heard), training_sentences=(), n_resamples=50)
            report.write(job.folder / "scores.json")
            Protocol.open(run.path).opened(split, heard)
        return run

    def _pretrained(self, hours: float) -> dict[str, str]:
        """Leave a pretraining of so many hours, and say where its weights would be."""
        folder = self.runs / f"pretraining-{hours:g}"
        folder.mkdir(parents=True, exist_ok=True)
        RunFolder(folder).write("trained.json", {"hours": hours, "val_r2": 0.1})
        return {"path": str(folder / "checkpoint" / "best"), "digest": "0"}


def _heard(info: TrialInfo, rng: np.random.Generator, wrong: float) -> NBest:
    words = (info.sentence or "").split()
    text = " ".join("pat" if rng.random() < wrong else word for word in words)
    tokens = tuple("P" if rng.random() < wrong else phone for phone in info.phonemes or ())
    return NBest(info.key, (Hypothesis(text, tokens, Scores(-1.0)),))
