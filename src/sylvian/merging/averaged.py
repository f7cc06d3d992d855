"""An ensemble: a run folder without an encoder of its own, which averages the logits of others.

`decode`, `tune`, `rescore`, `score`, `report` and `submit` work on it as on any run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sylvian import config
from sylvian.decode.averaging import Mean
from sylvian.decoding import NO_LM, Setting, resolve, search, write_decodes
from sylvian.errors import ConfigError
from sylvian.evaluate import Protocol
from sylvian.jobs import Job, encode
from sylvian.merging.systems import System
from sylvian.runs import RunFolder, environment
from sylvian.training import weights_digest
from sylvian.types import Progress


def make_ensemble(systems: Sequence[System], *, mean: Mean) -> RunFolder:
    """Make the run folder of an ensemble beside the first run, or find it.

    The name follows the members' weights and the mean, not their order. Facts and choices of the
    members are its own. It is decoded with the weights of the first tuned member until it is tuned.
    Of end-to-end runs it averages the phoneme heads, and generates nothing.

    Raises:
        CheckpointError: a member has no saved weights.
    """
    runs = [one.job.run for one in systems]
    parts = [mean, *sorted(_digest(run) for run in runs)]
    name = f"ensemble-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"
    folder = RunFolder(runs[0].path.parent / name)
    if not folder.is_finished:
        folder.path.mkdir(parents=True, exist_ok=True)
        data = Path(runs[0].environment["data"])
        facts = {"corpus": runs[0].environment["corpus"], "start": None}
        paths = [str(run.path.resolve()) for run in runs]
        folder.write("members.json", {"runs": paths, "mean": mean})
        folder.write("env.json", environment(data, systems[0].job.corpus.digest) | facts)
        tuned = next((found for run in runs if (found := run.read_optional("decoder.json"))), None)
        if tuned:
            folder.write("decoder.json", tuned | {"llm": None, "end_to_end": None})
        recipe = runs[0].recipe.model_copy(update={"end_to_end": None})
        folder.write("recipe.json", {"recipe": config.dump(recipe)})
        Protocol.open(folder.path).inherit([Protocol.open(run.path) for run in runs])
        folder.finish(_training(folder, runs))
    return folder


def decode_ensemble(
    folder: RunFolder, systems: Sequence[System], *, lm: str | None, progress: Progress
) -> None:
    """Average the members' logits of a split and search, unless that was done before.

    Args:
        folder: The ensemble.
        systems: Its members' decodes of the split.
        lm: N-gram; None for the ensemble's own, or else the one that all members were decoded with.
        progress: Told how far it is.

    Raises:
        ConfigError: the members were decoded with different n-grams and none is named.
        DecodeError: the members' logits cannot be averaged.
    """
    split = systems[0].job.split
    if lm is None and folder.read_optional(f"{split}/decode.json"):
        return
    job = Job.open(folder, split)
    setting = resolve(job, lm=lm or _lm(folder, systems), lexicon=None, overrides=())
    logits, seconds = encode(job, progress)
    found = search(job, logits, setting, progress)
    write_decodes(job, setting, found, seconds_encoder=seconds)


def _lm(folder: RunFolder, systems: Sequence[System]) -> str | None:
    if folder.read_optional("decoder.json"):
        return None
    settings = [
        Setting.from_json(one.job.run.read_optional(f"{one.job.split}/decode.json") or {})
        for one in systems
    ]
    named = {str(setting.lm) if setting.lm else NO_LM for setting in settings}
    if len(named) > 1:
        raise ConfigError(
            f"merge: the runs were decoded with different n-grams ({', '.join(sorted(named))}); "
            "say with --lm which one the ensemble takes"
        )
    return named.pop()


def _digest(run: RunFolder) -> str:
    return " ".join(map(_digest, run.members)) if run.members else weights_digest(run.best)


def _training(folder: RunFolder, runs: Sequence[RunFolder]) -> dict[str, Any]:
    """Sum up how the members were trained; the error rates are their mean, not its own."""
    told = [run.training for run in runs]
    return told[0] | {
        "run": str(folder.path),
        "best_epoch": 0,
        "epochs": 0,
        "val_per": _mean(one.get("val_per") for one in told),
        "val_wer": _mean(one.get("val_wer") for one in told),
        "seconds": sum(one["seconds"] for one in told),
        "n_impossible": max(one["n_impossible"] for one in told),
        "n_parameters": sum(one["n_parameters"] for one in told),
        "start": None,
    }


def _mean(rates: Iterable[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) if known else None
