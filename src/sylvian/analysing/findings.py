"""Each analysis of what runs represent: a table, a figure, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import Field

from sylvian.analyses import (
    CkaTable,
    Estimate,
    RsaConfig,
    WordMeans,
    WordTokens,
    average_by,
    cka_layers,
    common_words,
    pca,
    rsa,
    separability,
    within_lengths,
    word_alignment,
)
from sylvian.analysing.drawing import density, panel, rows_figure
from sylvian.config import Config
from sylvian.errors import DataError
from sylvian.representations import FEATURES, OUTPUT, Representations
from sylvian.text import counted, normalize_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sylvian.figures.representation_sheets import Density, Plane

LEAST_WORDS = 3  # in a plane

Row = dict[str, object]
Embed = Callable[[Sequence[str]], Float32[np.ndarray, "sentences width"]]


class AnalyseConfig(Config):
    """How runs are analysed; paper.md section 8 leaves open what it does not name."""

    n_segments: int = Field(10, ge=1, description="equal segments a trial is averaged over")
    llm_layer: int = Field(-1, description="hidden states of the language model; 0: embeddings")
    rsa: RsaConfig = RsaConfig()
    held_out: Literal["block", "session", "trial"] = Field(
        "block", description="what is never on both sides of a fold when tasks are told apart"
    )
    least_said: int = Field(2, ge=1, description="a word counts if said so often in either task")
    every_layer: bool = Field(False, description="pca of all layers, not of first and last alone")
    n_permutations: int = Field(1_000, ge=100, description="of all analyses but rsa")
    seed: int = Field(0, ge=0, description="of everything random")


@dataclass(frozen=True)
class Finding:
    """What one analysis gave.

    Attributes:
        rows: One line for each number.
        figure: What it looks like; None where there is nothing to be seen.
        notes: What to keep in mind.
    """

    rows: list[Row]
    figure: Figure | None
    notes: tuple[str, ...] = ()


def find_rsa(found: Sequence[Representations], config: AnalyseConfig, embed: Embed) -> Finding:
    """Compare distances among sentences with a language model's, layer by layer, task by task."""
    groups = [(one, task, _sentences(one, task)) for one in found for task in one.strategies]
    groups = [group for group in groups if group[2].texts]
    if not groups:
        raise DataError("rsa: no sentence is known in this split; choose one with labels")
    every = sorted({text for *_, sentences in groups for text in sentences.texts})
    vectors = dict(zip(every, embed(every), strict=True))
    rows, panels = [], []
    beside: list[Density | None] = []
    for one, task, sentences in groups:
        text = np.stack([vectors[own] for own in sentences.texts])
        frames = sentences.lengths
        results = {
            name: rsa(
                sentences.vectors(layer), text, lengths=frames, config=config.rsa, seed=config.seed
            )
            for name, layer in one.layers.items()
        }
        for name, result in results.items():
            rows.append({"run": one.name, "task": task, "layer": name, **result.row()})
        estimates = {name: result.estimate for name, result in results.items()}
        panels.append(panel(f"{one.name}, {task}", estimates))
        kept = within_lengths(frames, len(frames), config.rsa)
        output = sentences.vectors(one.layers[OUTPUT])[kept]
        blank = results[OUTPUT].estimate.is_blank
        beside.append(None if blank else density(output, text[kept], config.rsa, OUTPUT))
    return Finding(rows, rows_figure(found, panels, "Correlation of distances", beside))


def find_lda(found: Sequence[Representations], config: AnalyseConfig) -> Finding:
    """Tell attempted from imagined trials in what the encoder gets and in every layer."""
    rows, panels, notes = [], [], []
    for one in found:
        first, second = tasks_of(one)
        places = [i for i, info in enumerate(one.infos) if info.strategy.value in (first, second)]
        infos = [one.infos[place] for place in places]
        is_second = np.array([info.strategy.value == second for info in infos])
        groups = [_group(str(info.key), config.held_out) for info in infos]
        results = {
            name: separability(
                layer[places],
                is_second,
                groups,
                n_permutations=config.n_permutations,
                seed=config.seed,
            )
            for name, layer in one.layers.items()
        }
        rows += [{"run": one.name, "layer": name, **each.row()} for name, each in results.items()]
        estimates = {name: each.estimate for name, each in results.items()}
        panels.append(panel(f"{one.name}, {first} against {second}", estimates))
        notes += _same_day(one, first, second)
    figure = rows_figure(
        found, panels, "Balanced accuracy (%)", (), ends=(0.4, 1.0), chance=0.5, percent=True
    )
    return Finding(rows, figure, tuple(notes))


def find_words(found: Sequence[Representations], config: AnalyseConfig) -> Finding:
    """Compare words said in both tasks with shuffled words, layer by layer."""
    rows, panels = [], []
    for one in found:
        first, second = tasks_of(one)
        estimates: dict[str, Estimate] = {}
        for name, tokens in _words(one).items():
            means = common_words(tokens, first, second, least=config.least_said)
            result = word_alignment(
                means.first, means.second, n_permutations=10 * config.n_permutations,
                seed=config.seed,
            )  # fmt: skip
            rows.append({"run": one.name, "layer": name, **result.row()})
            estimates[name] = result.estimate
        panels.append(panel(f"{one.name}, {first} and {second} words", estimates))
    name = "Cosine with the same word minus with others"
    return Finding(rows, rows_figure(found, panels, name, ()), tuple(_unaligned(found)))


def find_pca(found: Sequence[Representations], config: AnalyseConfig) -> Finding:
    """Show words of both tasks in the plane of two principal components: inputs and output.

    Words are found in time by aligning the known phonemes with the CTC head's logits.
    """
    from sylvian.figures.representation_sheets import planes_sheet

    rows: list[Row] = []
    planes = []
    for one in found:
        for layer in one.layers if config.every_layer else (FEATURES, OUTPUT):
            plane = _plane(one, layer, _words(one)[layer], config)
            planes.append(plane)
            shares = [float(share) for share in plane.found.explained]
            rows += [
                {
                    "run": one.name,
                    "layer": layer,
                    "word": word,
                    "task": task,
                    "pc1": float(x),
                    "pc2": float(y),
                    "explained1": shares[0],
                    "explained2": shares[1],
                }
                for word, task, (x, y) in zip(
                    plane.words, plane.tasks, plane.found.scores, strict=True
                )
            ]
    return Finding(rows, planes_sheet(planes), tuple(_unaligned(found)))


def find_cka(found: Sequence[Representations], config: AnalyseConfig) -> Finding:
    """Align layers: of two runs on the same trials; or of one run, and of its two tasks."""
    from sylvian.figures.representation_sheets import tables_sheet

    if len(found) > 2:
        raise DataError(f"cka: compares one run with itself or two runs, got {len(found)}")
    first, second = found[0], found[-1]
    if {info.key for info in first.infos} != {info.key for info in second.infos}:
        raise DataError(f"{second.name}: not the trials of {first.name}; choose runs of one split")
    order = {info.key: place for place, info in enumerate(second.infos)}
    places = [order[info.key] for info in first.infos]
    other = {name: layer[places] for name, layer in second.layers.items()}
    table = cka_layers(first.layers, other, n_permutations=_few(config), seed=config.seed)
    shown = [(f"n = {table.n} trials", second.name, first.name, table)]
    between = _between_tasks(first, config) if len(found) == 1 and first.tasks else None
    if between is not None and first.tasks:
        shown.append((f"n = {between.n} sentences of both tasks", *first.tasks[::-1], between))
    rows = [
        {"run": down, "other_run": across, **row}
        for _, across, down, one in shown
        for row in one.table_rows()
    ]
    return Finding(rows, tables_sheet(shown))


def tasks_of(one: Representations) -> tuple[str, str]:
    """Name the two tasks to compare.

    Raises:
        DataError: only one kind of task was recorded.
    """
    if one.tasks is None:
        raise DataError(
            f"{one.name}: only {' and '.join(one.strategies)} trials in this split; this analysis "
            "compares imagined speech with another task"
        )
    return one.tasks


@dataclass(frozen=True)
class _Sentences:
    """The sentences of one task, each once however often it was said."""

    texts: tuple[str, ...]
    places: Int64[np.ndarray, " trials"]
    said: tuple[str, ...]
    lengths: Int64[np.ndarray, " texts"]

    def vectors(self, layer: Float32[np.ndarray, "_ _"]) -> Float32[np.ndarray, "texts _"]:
        """Average a layer's vectors over the repetitions of each sentence."""
        return average_by(layer[self.places], self.said)[1]


def _sentences(one: Representations, task: str) -> _Sentences:
    known = [
        (place, normalize_sentence(info.sentence))
        for place, info in enumerate(one.infos)
        if info.strategy.value == task and info.sentence and normalize_sentence(info.sentence)
    ]
    if not known:
        return _Sentences((), np.zeros(0, np.int64), (), np.zeros(0, np.int64))
    places, said = np.array([place for place, _ in known]), tuple(text for _, text in known)
    frames = one.n_frames[places][:, None].astype(np.float32)
    texts, lengths = average_by(frames, said)
    return _Sentences(texts, places, said, np.rint(lengths[:, 0]).astype(np.int64))


def _words(one: Representations) -> dict[str, WordTokens]:
    if not one.words:
        raise DataError(f"{one.name}: no word was found in time; choose a split with labels")
    return dict(one.words)


def _plane(one: Representations, layer: str, tokens: WordTokens, config: AnalyseConfig) -> Plane:
    from sylvian.figures.representation_sheets import Plane

    if one.tasks is None:
        task = one.strategies[0]
        often = tokens.task(task).often(config.least_said)
        words, means = average_by(often.vectors, often.words)
        tasks: tuple[str, ...] = (task,) * len(words)
    else:
        common: WordMeans = common_words(tokens, *one.tasks, least=config.least_said)
        words, means = common.words * 2, np.concatenate([common.first, common.second])
        tasks = tuple(task for task in one.tasks for _ in common.words)
    n_words = len(set(words))
    if n_words < LEAST_WORDS:
        raise DataError(
            f"{one.name}: {counted(n_words, 'word')} said {config.least_said} times in "
            f"{' and '.join(one.tasks or tasks[:1] or one.strategies[:1])} speech; a plane needs "
            f"{LEAST_WORDS}; lower least_said or choose a larger split"
        )
    return Plane(f"{one.name}, {layer}: {n_words} words", pca(means), words, tasks)


def _between_tasks(one: Representations, config: AnalyseConfig) -> CkaTable | None:
    """Align the layers' vectors of sentences that were said in both tasks; None: there are none."""
    first, second = (_sentences(one, task) for task in one.tasks or ())
    common = sorted(set(first.texts) & set(second.texts))
    if not common:
        return None
    sides = [
        {
            name: side.vectors(layer)[[side.texts.index(text) for text in common]]
            for name, layer in one.layers.items()
        }
        for side in (first, second)
    ]
    return cka_layers(sides[0], sides[1], n_permutations=_few(config), seed=config.seed)


def _few(config: AnalyseConfig) -> int:
    """Permutations of each cell of a table."""
    return max(100, config.n_permutations // 5)


def _group(key: str, held_out: str) -> str:
    """Shorten a trial's address to its block or session."""
    return {"trial": key, "block": key.rsplit("/", 1)[0], "session": key.rsplit("/", 2)[0]}[
        held_out
    ]


def _same_day(one: Representations, first: str, second: str) -> list[str]:
    """Warn where the tasks never share a session, so that days may be told apart instead."""
    days = [
        {info.key.session for info in one.infos if info.strategy.value == task}
        for task in (first, second)
    ]
    if days[0] & days[1]:
        return []
    return [f"{one.name}: {first} and {second} speech share no session; days may be told apart"]


def _unaligned(found: Sequence[Representations]) -> list[str]:
    return [
        f"{one.name}: {one.n_unaligned} trials whose words could not be aligned"
        for one in found
        if one.n_unaligned
    ]
