"""A run's rate as one sentence for a paper, or why it may not be said."""

from __future__ import annotations

from dataclasses import dataclass

from sylvian.decoding import basis, rate, read_decodes
from sylvian.evaluate import Protocol
from sylvian.evaluate.claims import Taught, claim
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.types import Strategy


@dataclass(frozen=True, slots=True)
class Claim:
    """What may be said about a run on a split."""

    run: str
    split: str
    claim: str


def claim_rate(run: RunFolder, split: str, *, unit: str = "wer", online: bool = False) -> Claim:
    """Say a scored split's rate with all it rests on.

    Args:
        run: A finished run.
        split: A split that was scored.
        unit: `per`, `wer` or `cer`.
        online: Claim it for a decoder that runs while somebody speaks.

    Raises:
        ProtocolError: the run's protocol forbids it; the message says why.
        DataError: the split was not decoded.
    """
    job = Job.open(run, split)
    decodes = read_decodes(job)
    report, plain = rate(job, decodes)
    keys = [info.key for info in job.infos]
    recipe = job.recipe
    who = recipe.participant or "all participants"
    decoder = "greedy" if unit == "per" else decodes.decoder
    sentence = claim(
        Protocol.open(run.path),
        split,
        keys,
        plain if unit == "per" else report,
        what=f"{recipe.name} on {recipe.corpus} ({who}; {_speech(job)}{decoder})",
        unit=unit,
        online=online,
        taught=Taught(job.learnt.keys, not job.learnt.unknown),
        rests=[*([] if unit == "per" else _words(job)), *_untold(job)],
    )
    return Claim(str(run.path), split, sentence)


def _speech(job: Job) -> str:
    """Say what was done, unless all of it was attempted, and whether the model ever learnt that."""
    done = sorted({info.strategy for info in job.infos})
    if done == [Strategy.ATTEMPTED] and not job.zero_shot:
        return ""
    named = [f"{one}, zero-shot" if one in job.zero_shot else one.value for one in done]
    return f"{' and '.join(named)}; "


def _words(job: Job) -> list[str]:
    """Name what found the words; phonemes come from the encoder alone."""
    found = basis(job.run, job.split)
    return [found.clause()] if found else []


def _untold(job: Job) -> list[str]:
    """Say where the line between sentences seen and not seen cannot be drawn for certain."""
    if not job.learnt.unknown:
        return []
    return ["a training before it is not on record, whose sentences may count as not seen"]
