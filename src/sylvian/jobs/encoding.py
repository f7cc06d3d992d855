"""What the encoder says about a split: made once, and kept with the checkpoint it is of."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian.errors import DataError
from sylvian.evaluate.protocol import trials_digest
from sylvian.jobs.job import Job
from sylvian.types import Logits, Progress, Trial, TrialInfo, TrialKey

if TYPE_CHECKING:
    from sylvian.models.base import Encoder
    from sylvian.models.batch import Batch

BATCH = 32  # trials per forward pass when nothing is learnt


def encode(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    """Run the best checkpoint over the split, or fetch its logits if they are of that checkpoint.

    An ensemble averages what its members say; each keeps its own logits.

    Returns:
        Logits in the order of the trials, and the seconds the encoder took (when they were made).
    """
    from sylvian.decode.io import read_logits, write_logits

    stamp = {
        "checkpoint": _checkpoint(job),
        "trials": trials_digest(info.key for info in job.infos)[1],
        "data": job.corpus.digest,
    }
    name, path = f"{job.split}/logits.json", job.folder / "logits.safetensors"
    known = job.run.read_optional(name)
    if known and known["stamp"] == stamp and path.is_file():
        return list(read_logits(path)), float(known["seconds"])
    ordered, seconds = _averaged(job, progress) if job.members else _own(job, progress)
    write_logits(path, ordered)
    job.run.write(name, {"stamp": stamp, "seconds": seconds})
    return ordered, seconds


def _own(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    started = time.perf_counter()
    found = {logits.key: logits for logits in _forward(job, progress)}
    return [found[info.key] for info in job.infos], time.perf_counter() - started


def _averaged(job: Job, progress: Progress) -> tuple[list[Logits], float]:
    """Average the members' logits; the seconds are those of all of them."""
    from sylvian.decode.averaging import average

    told = job.run.read_optional("members.json") or {}
    encoded = [encode(member, progress) for member in job.members]
    started = time.perf_counter()
    spoken = [{one.key: one for one in logits} for logits, _ in encoded]
    missing = [i.key for i in job.infos if any(i.key not in one for one in spoken)]
    if missing:
        raise DataError(f"{missing[0]}: not a trial of every run that {job.run.path} averages")
    ordered = [average([one[i.key] for one in spoken], mean=told["mean"]) for i in job.infos]
    return ordered, sum(took for _, took in encoded) + time.perf_counter() - started


def _checkpoint(job: Job) -> str:
    """Digest what the logits come from."""
    if job.members:
        parts = [_checkpoint(member) for member in job.members]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()
    weights = job.run.best / "weights.safetensors"
    return _sha256(weights) if weights.is_file() else ""


def _forward(job: Job, progress: Progress) -> Iterator[Logits]:
    """Encode in batches of similar length, in the precision the model was chosen in."""
    import torch

    from sylvian.models.ctc import logits_of
    from sylvian.models.speechllm_files import load_ctc

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_ctc(job.run.best).to(device)
    done = 0
    for batch in batches(job, model.encoder):
        with job.precision(device.type):
            yield from logits_of(model, batch.to(device))
        done += len(batch)
        progress(f"encode {job.split}", done, len(job.infos), job.run.path.name)


def batches(job: Job, encoder: Encoder, *, size: int = BATCH) -> Iterator[Batch]:
    """Give the split's recordings, without labels, in batches of one participant and like length.

    Args:
        job: The split.
        encoder: Whose layers serve the sessions.
        size: Most trials of a batch.

    Raises:
        ConfigError: the encoder has no layers for a session; those of the nearest day serve where
            decoding is zero-shot.
    """
    from sylvian.models.batch import make_batch
    from sylvian.models.sessions import locate

    paths = {info.key.session_path for info in job.infos}
    index = locate(
        encoder.sessions,
        paths,
        shared=encoder.shares_layers,
        unseen="nearest" if job.zero_shot else "refuse",
    )
    for keys in _batches(job.infos, size):
        trials = [_unlabelled(job.corpus.read(key)) for key in keys]
        yield make_batch(trials, session_index=index, vocabulary=None)


def _unlabelled(trial: Trial) -> Trial:
    """Hand the model a recording and nothing else: no label can reach a decode."""
    return Trial(replace(trial.info, sentence=None, phonemes=None), trial.features)


def _batches(infos: Sequence[TrialInfo], size: int) -> Iterator[list[TrialKey]]:
    ordered = sorted(infos, key=lambda info: (info.key.participant, info.n_bins, info.key))
    start = 0
    while start < len(ordered):
        participant = ordered[start].key.participant
        chunk = ordered[start : start + size]
        keys = [info.key for info in chunk if info.key.participant == participant]
        yield keys
        start += len(keys)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
