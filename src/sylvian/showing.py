"""The texts of `sylvian show`: what there is, where to get it, and every key of a recipe."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from sylvian import config
from sylvian.config import Config
from sylvian.data.corpora import CORPORA, FACTS, corpus_class
from sylvian.data.corpora.base import CorpusFacts
from sylvian.errors import ConfigError
from sylvian.evaluate import Protocol
from sylvian.outcomes import TrainResult
from sylvian.recipes import RECIPES, Recipe, build_recipe
from sylvian.runs import RunFolder


@dataclass(frozen=True, slots=True)
class Shown:
    """Something explained, for a person and for a program."""

    text: str | Table
    data: Any


def show(what: str, overrides: Sequence[str], *, runs: Path) -> Shown:
    """Explain `corpora`, `recipes`, or one corpus, recipe or run by its name.

    Raises:
        ConfigError: nothing has that name.
    """
    if what == "corpora":
        facts = [corpus_facts(name) for name in FACTS]
        text = "\n\n".join(_brief(fact) for fact in facts)
        return Shown(text, [config.dump(fact) for fact in facts])
    if what == "recipes":
        widest = max(map(len, RECIPES))
        lines = [f"{name:{widest}}  {_first_line(m.__doc__)}" for name, m in RECIPES.items()]
        return Shown("\n".join(lines), list(RECIPES))
    if what in RECIPES:
        return _recipe(what, overrides)
    if what in FACTS:
        fact = corpus_facts(what)
        return Shown(_full(fact), config.dump(fact))
    if (runs / what / "recipe.json").is_file() or (Path(what) / "recipe.json").is_file():
        return _run(RunFolder.open(what, runs))
    raise ConfigError(
        f"nothing is called {what!r}; show corpora, recipes, a corpus ({', '.join(CORPORA)}), a "
        f"recipe ({', '.join(RECIPES)}) or a run below {runs}"
    )


def _brief(facts: CorpusFacts) -> str:
    people = ", ".join(
        f"{name} ({who.n_channels or 'differing'} channels, "
        f"{len(who.sessions) or 'any number of'} sessions; {', '.join(who.strategies)})"
        for name, who in facts.participants.items()
    )
    lines = [f"{facts.name}: {facts.title}", f"  participants: {people or 'as simulated'}"]
    if facts.doi:
        lines.append(f"  from: https://doi.org/{facts.doi} ({facts.licence})")
    elif facts.licence:
        lines.append(f"  licence: {facts.licence}")
    lines += [f"  get it: {facts.directions}"]
    return "\n".join(_wrapped(lines))


def _full(facts: CorpusFacts) -> str:
    lines = [_brief(facts), f"  cite: {facts.citation}", f"  bins: {facts.bin_s * 1000:g} ms"]
    for name, who in facts.participants.items():
        counts = ", ".join(f"{count:,} {split}" for split, count in who.trials.items())
        lines.append(f"  {name}: {counts or 'counts not published'}")
        lines += [
            f"    columns {group.start}-{group.stop - 1}: {group.feature}, {group.array}"
            for group in who.channels
        ]
        if who.sees_future:
            lines.append("    the released features were z-scored with their whole block")
    return "\n".join(_wrapped(lines))


def _wrapped(lines: Sequence[str]) -> Iterator[str]:
    for line in "\n".join(lines).split("\n"):
        indent = line[: len(line) - len(line.lstrip())] + "    "
        yield from textwrap.wrap(line, 100, subsequent_indent=indent, break_long_words=False)


def _recipe(name: str, overrides: Sequence[str]) -> Shown:
    """List every key with its value and meaning; card2024's values unless a corpus is named."""
    named = any(item.startswith("corpus=") for item in overrides)
    recipe = build_recipe(name, overrides if named else ["corpus=card2024", *overrides])
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = f"{_first_line(RECIPES[name].__doc__)} Values for corpus={recipe.corpus}."
    table.add_column("key", no_wrap=True, style="bold")
    table.add_column("value, meaning", overflow="fold")  # together: long keys leave them 40 columns
    for key, value in config.flatten(recipe):
        table.add_row(key, Text.assemble((json.dumps(value), "bold"), "  ", _meaning(recipe, key)))
    return Shown(table, config.dump(recipe))


def _meaning(recipe: Recipe, key: str) -> str:
    """Find the description a component gives a dotted key."""
    node: Config = recipe
    *parents, last = key.split(".")
    for part in parents:
        inner = getattr(node, part)
        if not isinstance(inner, Config):  # a mapping whose keys are the user's
            return type(node).model_fields[part].description or ""
        node = inner
    return type(node).model_fields[last].description or ""


def _run(run: RunFolder) -> Shown:
    if run.is_pretraining:
        return _pretraining_run(run)
    recipe = run.recipe
    outcome = run.read_optional("trained.json")
    speech = f", {' and '.join(recipe.strategies)} speech" if recipe.strategies else ""
    lines = list(_begun(run, f"{recipe.name} on {recipe.corpus}{speech}"))
    if members := run.members:
        names = ", ".join(member.path.name for member in members)
        lines.append(f"  averages the logits of {names}; trained, on average:")
    if outcome:
        lines.append(
            f"  trained: {TrainResult(**outcome).validated} at epoch {outcome['best_epoch']} of "
            f"{outcome['epochs']}, {outcome['seconds']:.0f} s"
        )
    else:
        lines.append("  training has not finished")
    lines += [f"  {note}" for note in Protocol.open(run.path).notes()]
    return Shown("\n".join(lines), {"recipe": config.dump(recipe), "trained": outcome})


def _begun(run: RunFolder, what: str) -> Iterator[str]:
    environment = run.environment
    yield f"{run.path}: {what}"
    yield f"  begun {environment['started']} by '{environment['command']}'"
    yield f"  commit {environment['commit']}, torch {environment['packages']['torch']}"
    if environment.get("start"):
        yield f"  trunk from {environment['start']['path']}"


def _pretraining_run(run: RunFolder) -> Shown:
    recipe = run.pretraining_recipe
    outcome = run.read_optional("trained.json")
    facts = run.environment["corpus"]
    lines = list(_begun(run, f"pretraining on {facts['title']}"))
    lines += [
        f"  {row['name']}: {row['hours']:.2f} h ({row['species']})" for row in facts["sources"]
    ]
    if outcome:
        lines.append(
            f"  R² on hidden bins {outcome['val_r2']:.3f} at epoch {outcome['best_epoch']} of "
            f"{outcome['epochs']}, {outcome['seconds']:.0f} s"
        )
    else:
        lines.append("  pretraining has not finished; repeat its command to go on")
    return Shown("\n".join(lines), {"recipe": config.dump(recipe), "trained": outcome})


def corpus_facts(name: str) -> CorpusFacts:
    """Look up the facts of a corpus we ship.

    Raises:
        ConfigError: no corpus has that name.
    """
    if name not in FACTS:
        corpus_class(name)  # says which names there are
        raise ConfigError(f"{name}: its reader is installed beside us; see its own documentation")
    return FACTS[name]


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().splitlines()[0]
