"""Runs that begin with one another on a few made-up trials; nothing is really trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.recipes import build_recipe
from sylvian.runs import RunFolder
from sylvian.types import Strategy, Trial, TrialInfo, TrialKey

SAID = {  # day -> what is attempted to learn from, what is imagined to learn from, what is held out
    "2031-01-06": (("yes I see", "how are you"), (), ("yes I see", "never said", "no", "how so")),
    "2031-01-09": ((), ("I want water",), ("How are you?", "I want water", "yes I see", "no one")),
}


class FewWords:
    """Somebody who attempts speech on the first day and imagines it on the second."""

    facts = CorpusFacts(
        name="synthetic",
        title="Made up",
        participants={"S15": ParticipantFacts(n_channels=2)},
        splits=("train", "val"),
    )

    def sessions(self) -> tuple[SessionRef, ...]:
        """Two days."""
        return tuple(SessionRef("S15", day, {}, context="") for day in SAID)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """What is said on a day, in order."""
        attempted, imagined, held_out = SAID[session.session]
        rng = np.random.default_rng(len(attempted))
        done = Strategy.ATTEMPTED if attempted else Strategy.IMAGINED
        for number, sentence in enumerate((*attempted, *imagined, *held_out)):
            split = "val" if number >= len(attempted) + len(imagined) else "train"
            key = TrialKey("synthetic", "S15", session.session, 1, number)
            labels = {"sentence": sentence, "phonemes": ("Y", "EH", "S")}
            info = TrialInfo(key, split, 10, strategy=done, **labels)
            yield Trial(info, rng.normal(size=(10, 2)).astype(np.float32))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare the few trials."""
    data = tmp_path_factory.mktemp("few") / "data"
    prepare(FewWords(), data, jobs=1)
    return data


Train = Callable[..., RunFolder]


@pytest.fixture
def train(prepared: Path, tmp_path: Path) -> Train:
    """Leave the records of a training behind, begun with another run or with a saved model."""

    def leave(
        kind: str, *overrides: str, start: RunFolder | Path | None = None, data: Path = prepared
    ) -> RunFolder:
        recipe = build_recipe(kind, ["corpus=synthetic", "splits=bit", *overrides])
        corpus = PreparedCorpus.open(data, "synthetic")
        model = start.best if isinstance(start, RunFolder) else start
        told = None if model is None else {"path": str(model), "sha256": "00" * 32}
        run = RunFolder.place(recipe, corpus.digest, tmp_path / "runs", start=str(model or ""))
        facts = {
            "name": "synthetic",
            "title": "Made up",
            "licence": "CC0",
            "citation": "Nobody 2031",
            "participants": ["S15"],
            "sees_future": True,
        }
        run.create(recipe, data=data, data_digest=corpus.digest, facts=facts, start=told)
        run.write("trained.json", {"n_train": 2, "n_val": 2, "seconds": 1.0, "n_impossible": 0})
        return run

    return leave


@pytest.fixture
def forget() -> Callable[[RunFolder], None]:
    """Say in a run's records that its recordings lie where nothing is."""

    def change(run: RunFolder) -> None:
        path = run.path / "env.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": "/nowhere/data"}))

    return change
