"""What the words of a decoded split rest on: language models by name and digest, and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sylvian.decoding.setting import Setting, in_use_by
from sylvian.evaluate.protocol import Protocol
from sylvian.runs import RunFolder
from sylvian.text import counted
from sylvian.text.wordsets import WORD_SETS

SHORT = 8  # hexadecimal digits of a digest that stands in a sentence
_WEIGHTS = ("acoustic_scale", "blank_penalty", "lm_weight", "word_bonus")
_BUILT_IN = "built in"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or a model that a decoder takes its knowledge from.

    Attributes:
        role: What it is to the decoder (`n-gram`).
        name: File, folder or name on the hub, without the folders it lies in.
        digest: Tells its contents apart; empty: not on record, and the file is gone.
        kind: What the digest is of: `sha256` of the file, or `fingerprint` of weights.
    """

    role: str
    name: str
    digest: str
    kind: str = "sha256"

    def told(self, digits: int | None = None) -> str:
        """Name it with so many digits of its digest; None: all of them."""
        if self.kind == _BUILT_IN:
            return f"{self.role} {self.name}"
        told = f"{self.kind} {self.digest[:digits]}" if self.digest else "digest not on record"
        return f"{self.role} {self.name} ({told})"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a split's words rest on.

    Attributes:
        sources: Language models first; pronunciations and words where they are not the usual ones.
        weights: The numbers that rank candidates; none where nothing is weighed.
        how: Where the weights come from, or that no language model was asked.
    """

    sources: tuple[Source, ...]
    weights: dict[str, float]
    how: str = ""

    def clause(self) -> str:
        """Say it in a few words."""
        named = [one.told(SHORT) for one in self.sources]
        return ", ".join([*named, self.how] if self.how else named)


def basis(run: RunFolder, split: str) -> Basis | None:
    """Look up what a split was decoded with; None where it was not decoded.

    A file whose digest was not written down with the decode is digested as it is now.
    """
    made = run.read_optional(f"{split}/decode.json")
    if made is None:
        return None
    setting = Setting.from_json(made)
    if made["result"]["nbest"] is None:  # words were looked up
        return Basis(tuple(_held(setting)), {}, "no language model")
    sources = (*_ngrams(setting, made), *_models(run, setting), *_held(setting))
    ranked = in_use_by(run, setting)
    if setting.generated and setting.llm is None and not ranked.decode.word_bonus:
        return Basis(sources, {})
    names = [*_WEIGHTS, *(["llm_weight"] if setting.llm else [])]
    names += ["end_to_end_weight"] if setting.end_to_end else []
    weights = {name: float(getattr(ranked.decode, name)) for name in names}
    return Basis(sources, weights, _chosen(run, setting, weights))


def file_digests(setting: Setting) -> dict[str, str]:
    """Digest the n-grams of a setting, for the record of a decode."""
    files = {"lm_sha256": setting.lm, "larger_sha256": setting.larger}
    return {name: found for name, path in files.items() if (found := _sha256(path))}


def _ngrams(setting: Setting, made: dict[str, Any]) -> Iterator[Source]:
    for role, name in (("n-gram", "lm"), ("second n-gram", "larger")):
        path: Path | None = getattr(setting, name)
        if path is not None:
            yield Source(role, path.name, made.get(f"{name}_sha256") or _sha256(path))


def _models(run: RunFolder, setting: Setting) -> Iterator[Source]:
    if setting.end_to_end is not None:
        saved = run.read_optional("checkpoint/best/speechllm.json")
        fingerprint = saved["backbone"]["fingerprint"] if saved else ""
        name = Path(setting.end_to_end.llm.name).name
        yield Source("language model", name, fingerprint, "fingerprint")
    if setting.llm is not None:
        yield Source("rescored by", Path(setting.llm.name).name, setting.llm.digest, "digest")


def _held(setting: Setting) -> Iterator[Source]:
    if setting.lexicon is not None:
        yield Source("pronunciations", setting.lexicon.name, _sha256(setting.lexicon))
    words = setting.decode.word_set
    if words in WORD_SETS:
        yield Source("held to the words of", words, "", _BUILT_IN)
    elif words is not None:
        yield Source("held to the words of", Path(words).name, _sha256(Path(words)))


def _chosen(run: RunFolder, setting: Setting, weights: dict[str, float]) -> str:
    """Say where the weights come from: `tune`, the recipe, or the command line."""
    tuned = run.read_optional("decoder.json")
    if tuned and Setting.from_json(tuned).lists == setting.lists:
        chosen = [e for e in Protocol.open(run.path).entries if e.what == "decoder weights"]
        if not chosen:
            return "weights tuned"
        n = counted(chosen[-1].n_trials or 0, "trial")
        return f"weights tuned on {chosen[-1].split} ({n})"
    usual = {name: float(getattr(run.recipe.decode, name)) for name in weights}
    return "default weights" if weights == usual else "weights set by hand"


def _sha256(path: Path | None) -> str:
    """Digest a file; nothing where there is none."""
    if path is None or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
