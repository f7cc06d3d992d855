"""Which rows of a study can be run with what there is, and with which settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sylvian import config
from sylvian.errors import ConfigError
from sylvian.models.prompts import phoneme_token
from sylvian.recipes import RECIPES, Phonemes, Pretraining, Recipe, build_recipe
from sylvian.studies.cells import said
from sylvian.studies.lines import LanguageModels, Line, Study
from sylvian.studies.sentences import SENTENCES
from sylvian.studies.tables import TABLES

STUDIES = {**TABLES, **SENTENCES}
_LLM = "end_to_end.llm.name"


def overrides_of(
    line: Line, overrides: Sequence[str], recipe: Recipe, models: LanguageModels | None = None
) -> list[str]:
    """Choose the overrides that concern a row: everybody's, the row's own, those that name it."""
    names = [
        name for one in STUDIES.values() for own in one.lines for name in (own.label, own.group)
    ]
    rows = {*names, *RECIPES} - {""}
    general, named = [], []
    for item in overrides:
        row, colon, rest = item.partition(":")
        if colon and row in rows:
            if row in (line.label, line.recipe, line.group):
                named.append(rest)
            continue
        key = item.partition("=")[0]
        if key.startswith("start.") and not isinstance(recipe.start, Pretraining | Phonemes):
            continue
        if key.startswith("encoder.") and recipe.encoder.kind != "transformer":
            continue
        if key in ("participant", "strategies"):
            continue  # columns of the study
        general.append(item)
    return [*general, *_spoken_to(line, recipe, models), *named]


def _spoken_to(line: Line, recipe: Recipe, models: LanguageModels | None) -> list[str]:
    """Give a row's own overrides, with the language model it needs."""
    name = models.of(line.role) if models is not None and recipe.end_to_end is not None else None
    return [*line.overrides, *([f"{_LLM}={name}"] if name else [])]


def only(study: Study, rows: Sequence[str]) -> Study:
    """Keep the named rows of a study and the row that others are compared with.

    Raises:
        ConfigError: the study has no row of that name.
    """
    labels = list(dict.fromkeys(line.label for line in study.lines))
    for row in rows:
        if row not in labels:
            raise ConfigError(f"no row {row!r} in this study; rows are: {', '.join(labels)}")
    wanted = {*(rows or labels), study.against}
    return replace(study, lines=tuple(line for line in study.lines if line.label in wanted))


def possible(
    study: Study, overrides: Sequence[str], models: LanguageModels, data: Path
) -> tuple[Study, tuple[str, ...]]:
    """Leave out the rows that lack a model, or that are the row compared with by another name.

    Args:
        study: All of its rows.
        overrides: As for `run_study`.
        models: What is given.
        data: Folder of prepared corpora.

    Returns:
        The rows that can be run, and one sentence for each of the others.
    """
    if study.unit == "per":
        return study, ()
    corpus = said(overrides, "corpus")
    if corpus is None:
        raise ConfigError("which corpus? add corpus=NAME, e.g. corpus=card2024")
    kept: list[Line] = []
    notes: list[tuple[str, str]] = []
    groups: dict[str, str | None] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for line in study.lines:
        resolved = _resolved(line, overrides, corpus, models)
        if line.group not in groups:
            groups[line.group] = _alone(line, resolved, data)
        known = (line.group, line.system, config.digest(resolved))
        reason = groups[line.group] or _lacking(line, resolved, overrides, models)
        if reason is None and known in seen:
            reason = f"as {seen[known]}"
        if reason is None:
            kept.append(line)
            seen[known] = line.label
        else:
            notes.append((line.group if groups[line.group] else line.label, reason))
    told = tuple(f"Left out: {name} ({reason})." for name, reason in dict.fromkeys(notes))
    return replace(study, lines=tuple(kept)), told


def _resolved(line: Line, overrides: Sequence[str], corpus: str, models: LanguageModels) -> Recipe:
    recipe = build_recipe(line.recipe, [f"corpus={corpus}"])
    return build_recipe(line.recipe, overrides_of(line, overrides, recipe, models))


def _lacking(
    line: Line, resolved: Recipe, overrides: Sequence[str], models: LanguageModels
) -> str | None:
    """Say what a row needs that is not there."""
    own = any(item.startswith(f"{line.label}:{_LLM}=") for item in overrides)
    if line.role != "llm" and models.of(line.role) is None and not own:
        return f"no --{line.role}"
    if line.system == "rescored" and models.rescorer is None:
        return "no --rescorer"
    spoken = resolved.end_to_end
    if line.label.endswith("phonemes") and spoken is not None and not _reads(spoken.llm.name):
        return f"{spoken.llm.name} reads none"
    return None


def _reads(llm: str) -> bool:
    """Whether a language model's tokens include phonemes; only those of `sylvian llm` do."""
    try:
        told = json.loads(Path(llm, "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any(one.get("content") == phoneme_token("AA") for one in told.get("added_tokens", ()))


def _alone(line: Line, resolved: Recipe, data: Path) -> str | None:
    """Say that a group would pretrain, and there is nobody else to pretrain on."""
    from sylvian.data.mix import Mixture

    start = resolved.start
    if not line.group or not isinstance(start, Phonemes):
        return None
    before = build_recipe(start.recipe, [f"corpus={resolved.corpus}", *start.overrides]).start
    if not isinstance(before, Pretraining) or before.mix.target != "include":
        return None
    found = Mixture.open(before.mix, data)
    return None if len(found.sources) > 1 else f"{data} has nobody else to pretrain on"
