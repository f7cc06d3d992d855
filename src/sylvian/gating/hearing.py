"""A run's encoder as the gate uses it: one recording at a time, in memory, nothing on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from sylvian.decode.averaging import Mean, average
from sylvian.jobs import Job, batches
from sylvian.runs import RunFolder
from sylvian.types import Logits, TrialInfo


@dataclass(frozen=True)
class Ears:
    """One encoder, or several whose answers are averaged, opened once.

    Attributes:
        voices: What each encoder says about a trial.
        mean: How they are averaged; None where there is one.
    """

    voices: tuple[Callable[[TrialInfo], Logits], ...]
    mean: Mean | None = None

    @classmethod
    def open(cls, job: Job) -> Ears:
        """Read the best checkpoint of a run, or of each of the runs it averages.

        Raises:
            CheckpointError: a checkpoint is missing or damaged.
        """
        if not job.members:
            return cls((_voice(job),))
        told = job.run.read_optional("members.json") or {}
        return cls(tuple(_voice(member) for member in job.members), told["mean"])

    def __call__(self, info: TrialInfo) -> Logits:
        """Encode one recording, without its labels.

        Raises:
            ConfigError: the encoder has no layers for its day.
        """
        heard = [voice(info) for voice in self.voices]
        return heard[0] if self.mean is None else average(heard, mean=self.mean)


def _voice(job: Job) -> Callable[[TrialInfo], Logits]:
    import torch

    from sylvian.models.ctc import logits_of
    from sylvian.models.speechllm_files import load_ctc

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_ctc(job.run.best).to(device)

    def hear(info: TrialInfo) -> Logits:
        (batch,) = batches(replace(job, infos=(info,)), model.encoder, size=1)
        with job.precision(device.type):
            return logits_of(model, batch.to(device))[0]

    return hear


def encoder_digest(run: RunFolder) -> str:
    """Digest the weights that a run's logits come from (16 hexadecimal digits).

    Raises:
        CheckpointError: a run that it averages is gone.
    """
    if members := run.members:
        told = " ".join(encoder_digest(member) for member in members)
        return hashlib.sha256(told.encode()).hexdigest()[:16]
    with (run.best / "weights.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
