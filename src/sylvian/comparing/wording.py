"""What found the words of a split: language models and their weights, the words there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sylvian import config
from sylvian.decode.config import DecodeConfig
from sylvian.decoding import Decodes, Setting, in_use
from sylvian.decoding.basis import SHORT, Basis, Source, basis
from sylvian.errors import DataError
from sylvian.jobs import Job

OWN, ANY_WORD, CMUDICT, NONE = "training sentences", "any word", "CMUdict", "none"
TUNED = "weights tuned"
_ROLES = {  # of a source -> part
    "n-gram": "n-gram",
    "second n-gram": "second n-gram",
    "language model": "language model",
    "rescored by": "rescorer",
    "pronunciations": "pronunciations",
    "held to the words of": "word set",
}
_USUAL = {"pronunciations": CMUDICT, "word set": ANY_WORD}
_ASKED = {"n-gram": NONE, "second n-gram": NONE, "rescorer": NONE}
NAMED = (*_ROLES.values(), "weights")
"""What two systems may not differ in if their change is to be the models' alone."""
_LIMITS = ("beam", "lattice_beam", "max_active", "min_active", "n_best", "enlarge")
_DIGEST = re.compile(r" \w+:[0-9a-f]+$")


def wording(job: Job, decodes: Decodes) -> dict[str, str]:
    """Say what found a split's words, part by part; equal parts, equal procedure.

    Files are told by their names and digests, so a file that was copied is the same one. Weights
    that `tune` chose are one procedure, whatever it chose.

    Args:
        job: The split.
        decodes: What was decoded; words that were looked up depend on no language model.

    Raises:
        DataError: the split was not decoded.
    """
    made = job.run.read_optional(f"{job.split}/decode.json")
    rests = basis(job.run, job.split)
    if made is None or rests is None:
        raise DataError(f"{job.folder}: not decoded; run 'sylvian decode {job.run.path}'")
    setting = Setting.from_json(made)
    found = {"decoder": decodes.decoder} | _USUAL | ({} if decodes.nbest is None else _ASKED)
    found |= {_ROLES[one.role]: _told(one, job, setting) for one in rests.sources}
    if setting.end_to_end is not None:
        told = config.flatten(setting.end_to_end)
        found |= {f"end_to_end.{key}": str(value) for key, value in told}
    if decodes.nbest is not None:
        found["weights"] = _weights(job, setting, rests, in_use(job, made).decode)
        found["search"] = _limits(setting.decode, job.recipe.decode)
    return found


def described(parts: Mapping[str, str]) -> str:
    """Say what found the words in a few words.

    Args:
        parts: As `wording` gives them.
    """
    usual = {NONE, *_USUAL.values(), ""}
    keys = [key for key in (*NAMED, "search") if parts.get(key, "") not in usual]
    said = {key: parts[key] for key in keys if key != "rescorer"}  # the decoder's name has that
    if _plain(said.get("n-gram", "")) == OWN:
        said["n-gram"] = f"of {OWN}"
    if "pronunciations" in said:
        said["pronunciations"] = f"pronunciations {said['pronunciations']}"
    decoder = parts["decoder"]
    name = "lookup" if decoder == "greedy" else decoder.replace("ngram", "n-gram")
    return f"{name} ({', '.join(said.values())})" if said else name


def short(key: str, value: str) -> str | None:
    """Say one part in so few words that they can be part of a system's name; None: it is no part.

    What is in a file is left out.
    """
    if key == "decoder":
        return value
    if key not in NAMED:
        return None
    plain = _plain(value)
    if key == "weights":
        return "tuned" if plain.startswith(TUNED) else plain
    return "own sentences" if plain == OWN else plain.removesuffix(".gz").removesuffix(".arpa")


def _plain(value: str) -> str:
    """Take the digest away."""
    return _DIGEST.sub("", value)


def _told(source: Source, job: Job, setting: Setting) -> str:
    """Name a source; the n-gram that a run's own sentences gave by what it is.

    No brackets stand around a digest: the terminal would take them for markup.
    """
    own = source.role == "n-gram" and _is_own(setting.lm, job)
    name = OWN if own else source.name
    return f"{name} {source.kind}:{source.digest[:SHORT]}" if source.digest else name


def _is_own(path: Path | None, job: Job) -> bool:
    return path is not None and path.parent.parts[-2:] == (job.run.path.name, "lm")


def _weights(job: Job, setting: Setting, rests: Basis, used: DecodeConfig) -> str:
    """Say where the weights come from, and which they are where they were set by hand."""
    if rests.how.startswith(TUNED):
        searched = setting.decode.blank_penalty == used.blank_penalty
        return rests.how if searched else f"{rests.how} after the search"
    usual = config.dump(job.recipe.decode)
    changed = {name: value for name, value in rests.weights.items() if value != usual[name]}
    return ", ".join(f"{name}={value:.4g}" for name, value in changed.items()) or rests.how


def _limits(used: DecodeConfig, recipe: DecodeConfig) -> str:
    """List the limits of the search that are not those of the recipe."""
    usual = config.dump(recipe)
    return ", ".join(
        f"{key}={value:g}"
        for key, value in config.dump(used).items()
        if key in _LIMITS and value != usual[key]
    )
