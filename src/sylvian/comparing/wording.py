"""What found the words of a split: language models and their weights, the words there are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sylvian import config
from sylvian.decode.config import DecodeConfig
from sylvian.decoding import Decodes, Rescorer, Setting, in_use
from sylvian.errors import DecodeError
from sylvian.jobs import Job
from sylvian.text.wordsets import WORD_SETS, word_set

WEIGHTS = (
    "acoustic_scale",
    "blank_penalty",
    "lm_weight",
    "llm_weight",
    "end_to_end_weight",
    "word_bonus",
)
TUNED, DEFAULT = "weights tuned on val", "default weights"
OWN, ANY_WORD, CMUDICT, NONE = "training sentences", "any word", "CMUdict", "none"
NAMED = ("language model", "larger language model", "rescorer", "weights", "word set", "lexicon")
"""What two systems may not differ in if their change is to be the models' alone."""
_DIGEST = " sha256:"  # no brackets: the terminal would take them for markup
_SHOWN = 8  # hexadecimal digits
_SHORT = {TUNED: "tuned", OWN: "own sentences"}


def wording(job: Job, decodes: Decodes) -> dict[str, str]:
    """Say what found a split's words, part by part; equal parts, equal procedure.

    Files are told by their names and what is in them now, so a file that was copied is the same
    one. Weights that `tune` chose are one procedure, whatever it chose.

    Args:
        job: The split.
        decodes: What was decoded; words that were looked up depend on no language model.
    """
    setting = Setting.from_json(job.run.read_optional(f"{job.split}/decode.json") or {})
    found = {
        "decoder": decodes.decoder,
        "word set": _words(setting.decode.word_set),
        "lexicon": CMUDICT if setting.lexicon is None else _file(setting.lexicon),
    }
    if setting.end_to_end is not None:
        told = config.flatten(setting.end_to_end)
        found |= {f"end_to_end.{key}": str(value) for key, value in told}
    if decodes.nbest is None:
        return found
    return found | {
        "language model": _language_model(job, setting.lm),
        "larger language model": NONE if setting.larger is None else _file(setting.larger),
        "rescorer": NONE if setting.llm is None else _rescorer(setting.llm),
        "weights": _weights(job, setting),
        "search": _changed(setting.decode, job.recipe.decode, weights=False),
    }


def described(parts: Mapping[str, str]) -> str:
    """Say what found the words in a few words.

    Args:
        parts: As `wording` gives them.
    """
    decoder = parts["decoder"]
    said = [parts.get(key, NONE) for key in NAMED if key not in ("rescorer", "lexicon")]
    said = [f"of {OWN}" if _plain(one) == OWN else one for one in said]
    said += [f"lexicon {parts['lexicon']}"] if parts["lexicon"] != CMUDICT else []
    said += [parts["search"]] if parts.get("search") else []
    told = ", ".join(one for one in said if one not in (NONE, ANY_WORD))
    name = "lookup" if decoder == "greedy" else decoder.replace("ngram", "n-gram")
    return f"{name} ({told})" if told else name


def short(key: str, value: str) -> str | None:
    """Say one part in so few words that they can be part of a system's name; None: it is no part.

    What is in a file is left out.
    """
    if key == "decoder":
        return value
    if key not in NAMED:
        return None
    plain = _plain(value)
    return _SHORT.get(plain, plain.removesuffix(".gz").removesuffix(".arpa"))


def _plain(value: str) -> str:
    """Take the digest away."""
    return value.partition(_DIGEST)[0]


def _weights(job: Job, setting: Setting) -> str:
    made = job.run.read_optional(f"{job.split}/decode.json") or {}
    tuned = job.run.read_optional("decoder.json")
    if tuned is None or in_use(job, made) != Setting.from_json(tuned):
        return _changed(setting.decode, job.recipe.decode, weights=True) or DEFAULT
    searched = setting.decode.blank_penalty == in_use(job, made).decode.blank_penalty
    return TUNED if searched else f"{TUNED} after the search"


def _changed(used: DecodeConfig, recipe: DecodeConfig, *, weights: bool) -> str:
    """List the weights, or the limits of the search, that are not those of the recipe."""
    before = config.dump(recipe)
    return ", ".join(
        f"{key}={value:.4g}"
        for key, value in config.dump(used).items()
        if key != "word_set" and (key in WEIGHTS) == weights and value != before[key]
    )


def _language_model(job: Job, path: Path | None) -> str:
    """Name an ARPA file; the n-gram that a run's own sentences gave by what it is."""
    if path is None:
        return NONE
    if path.parent.parts[-2:] != (job.run.path.name, "lm"):
        return _file(path)
    there = path if path.is_file() else job.run.path / "lm" / path.name
    return f"{OWN}{_digest(there)}"


def _rescorer(one: Rescorer) -> str:
    reading = ", ".join(f"{key}={value}" for key, value in one.reading.items())
    return f"{Path(one.name).name}{_DIGEST}{one.digest[:_SHOWN]}, {reading}"


def _words(name: str | None) -> str:
    if name is None:
        return ANY_WORD
    if name in WORD_SETS:
        return name
    try:
        words = " ".join(word_set(name))
    except DecodeError:  # no longer there
        return Path(name).name
    return f"{Path(name).name}{_DIGEST}{hashlib.sha256(words.encode()).hexdigest()[:_SHOWN]}"


def _file(path: Path) -> str:
    return f"{path.name}{_digest(path)}"


def _digest(path: Path) -> str:
    """Tell what is in a file; nothing where it is no longer there."""
    try:
        told = path.stat()
    except OSError:
        return ""
    return f"{_DIGEST}{_sha256(path, told.st_size, told.st_mtime_ns)[:_SHOWN]}"


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
