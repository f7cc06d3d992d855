"""From a decoded split to a competition file, and from a competition file to its error rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sylvian.data.splits import unlabelled_trials
from sylvian.data.store import PreparedCorpus
from sylvian.decoding import read_decodes
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.protocol import Protocol
from sylvian.evaluate.submission import (
    LAYOUTS,
    Layout,
    grade,
    read_submission,
    submission_texts,
    write_submission,
)
from sylvian.jobs import Job, divide, open_corpus
from sylvian.runs import RunFolder
from sylvian.text import counted
from sylvian.types import Score, TrialInfo

BENCHMARK_OF: Mapping[str, Layout] = {"willett2023": "b2t24", "card2024": "b2t25"}
"""Which competition a release belongs to; a simulated corpus may be written for either."""

ORDERS: Mapping[Layout, str] = {
    "b2t24": "order: days, each day's blocks by number, each block's trials as in the release's "
    "file; assumed, since lines have no ids and the server's code is not public",
    "b2t25": "order: days, each day's blocks and trials by number; ids count from 0 in it",
}
"""What is taken for the official order of the hidden trials."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """A competition file on disk.

    Attributes:
        run: The run folder.
        split: The split whose decodes it holds.
        layout: `b2t24` or `b2t25`.
        out: The file.
        n_sentences: Its sentences.
        n_expected: Sentences the benchmark wants, with which they were compared; None where the
            release's facts do not say.
        n_empty: Those without a word: the decoder found nothing.
        decoder: What decoded them.
        n_openings: How often this split has been scored or written out, this time included.
        order: What was taken for the official order.
        notes: What to keep in mind.
    """

    run: str
    split: str
    layout: Layout
    out: str
    n_sentences: int
    n_expected: int | None
    n_empty: int
    decoder: str
    n_openings: int
    order: str
    notes: tuple[str, ...]

    def text(self) -> str:
        """Say it in a few lines."""
        said = (
            f"{self.out}: {self.n_sentences} sentences of {self.split} for {LAYOUTS[self.layout]}, "
            f"decoded by {self.decoder}"
        )
        empty = f"{self.n_empty} of them are empty" if self.n_empty else ""
        opened = f"written out or scored {self.n_openings} times so far"
        count = "as many as the benchmark wants"
        if self.n_expected is None:
            count = "count not checked: of this split the facts tell no number"
        return "\n".join(filter(None, [said, count, self.order, empty, opened, *self.notes]))


@dataclass(frozen=True, slots=True)
class GradeResult:
    """What a competition file is worth where the truth is known; rates are fractions."""

    file: str
    truth: str
    n_sentences: int
    n_words: int
    wer: float
    low: float
    high: float
    substitutions: int
    deletions: int
    insertions: int

    def text(self) -> str:
        """Say it in one line."""
        ends = ", no interval"
        if math.isfinite(self.low):
            ends = f" ({100 * self.low:.2f}\N{EN DASH}{100 * self.high:.2f})"
        return (
            f"{self.file}: aggregate WER {100 * self.wer:.2f} %{ends}, "
            f"{counted(self.n_sentences, 'sentence')}, {counted(self.n_words, 'word')}: "
            f"{self.substitutions} substituted, {self.deletions} deleted, "
            f"{self.insertions} inserted"
        )


def submit(run: RunFolder, layout: Layout, out: Path, *, split: str | None = None) -> SubmitResult:
    """Write a split's sentences for a competition; the protocol notes it.

    Args:
        run: A run whose hidden split was decoded.
        layout: `b2t24` or `b2t25`.
        out: The file to write.
        split: The split; None for the one whose labels the release withholds. A labelled one
            rehearses: `grade_file` then says what it is worth.

    Raises:
        ConfigError: no split is hidden, or the release belongs to the other competition.
        DataError: the split was not decoded, or its decodes cannot be submitted as they are.
    """
    official = BENCHMARK_OF.get(run.recipe.corpus, layout)
    if official != layout:
        raise ConfigError(
            f"{run.path}: {run.recipe.corpus} belongs to {LAYOUTS[official]}; use --format "
            f"{official}"
        )
    job = Job.open(run, split or hidden_split(run))
    decodes = read_decodes(job)
    lists = decodes.nbest or decodes.greedy
    keys = [info.key for info in job.infos]
    said = {key: nbest.best.text for key, nbest in lists.items()}
    n_expected = _expected(job)
    texts = submission_texts(keys, said, n_expected=n_expected)
    write_submission(out, texts, layout)
    protocol = Protocol.open(run.path)
    protocol.opened(job.split, keys)
    return SubmitResult(
        run=str(run.path),
        split=job.split,
        layout=layout,
        out=str(out),
        n_sentences=len(texts),
        n_expected=n_expected,
        n_empty=sum(not text for text in texts),
        decoder=decodes.decoder,
        n_openings=protocol.n_openings(job.split),
        order=ORDERS[layout],
        notes=decodes.notes,
    )


def hidden_split(run: RunFolder) -> str:
    """Name the split whose labels the release withholds, by the run's own rule.

    Raises:
        ConfigError: there is none, or the recordings are no longer at hand.
    """
    corpus = open_corpus(run.recipe, Path(run.environment["data"]))
    hidden = _hidden(corpus)
    for name, infos in divide(run.recipe, corpus).items():
        if infos and all(info.key in hidden for info in infos):
            return name
    raise ConfigError(
        f"{run.path}: {run.recipe.corpus} has no split whose labels are withheld; name one with "
        "--split to rehearse"
    )


def grade_file(file: Path, *, truth: Path) -> GradeResult:
    """Grade a competition file against a file of true sentences, as the benchmarks do.

    Args:
        file: What was submitted, of either layout.
        truth: The true sentences, one a line or a CSV of `id,text`.

    Raises:
        DataError: a file cannot be read, or the two are of different lengths.
    """
    return _graded(file, str(truth), read_submission(truth))


def grade_run(file: Path, *, run: RunFolder, split: str) -> GradeResult:
    """Grade a rehearsal against the labels of the split it was written from; the protocol notes it.

    Raises:
        DataError: labels are withheld, or the file is of other trials.
    """
    job = Job.open(run, split)
    sentences = [_labelled(info) for info in job.infos]
    result = _graded(file, f"{run.path.name} {split}", sentences)
    Protocol.open(run.path).opened(split, [info.key for info in job.infos])
    return result


def _labelled(info: TrialInfo) -> str:
    if info.sentence is None:
        raise DataError(
            f"{info.key}: its label is withheld; upload the file to the benchmark's server"
        )
    return info.sentence


def _graded(file: Path, truth: str, references: Sequence[str]) -> GradeResult:
    try:
        score: Score = grade(read_submission(file), references)
    except DataError as failure:
        if str(failure).startswith(str(file)):
            raise
        raise DataError(f"{file}: {failure}") from None
    counts = score.counts
    return GradeResult(
        file=str(file),
        truth=truth,
        n_sentences=score.n_trials,
        n_words=counts.n_reference,
        wer=score.rate,
        low=score.low,
        high=score.high,
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
    )


def _hidden(corpus: PreparedCorpus) -> set[Any]:
    published = corpus.facts.splits
    return {info.key for info in unlabelled_trials(corpus.infos, published=published)}


def _expected(job: Job) -> int | None:
    """Look up how many trials the release has in this published split, if all are of one."""
    published = {info.split for info in job.infos}
    facts = job.corpus.facts.participants.get(job.infos[0].key.participant)
    if (
        facts is None
        or len(published) != 1
        or not {i.key for i in job.infos} <= _hidden(job.corpus)
    ):
        return None
    return facts.trials.get(published.pop())
