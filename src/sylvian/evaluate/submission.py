"""Competition files: written checked, read back, and graded as the benchmarks grade them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from sylvian.errors import DataError
from sylvian.evaluate.files import write_text
from sylvian.evaluate.intervals import bootstrap_rate
from sylvian.evaluate.rates import word_edits
from sylvian.text import normalize_sentence
from sylvian.types import EditCounts, Score, TrialKey

Layout = Literal["b2t24", "b2t25"]
LAYOUTS: Mapping[Layout, str] = {"b2t24": "Brain-to-Text '24", "b2t25": "Brain-to-Text '25"}
COLUMNS = ("id", "text")

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_MARKS = frozenset(" .,?!;:'\"()[]*-\N{EN DASH}\N{EM DASH}\N{RIGHT SINGLE QUOTATION MARK}")


def submission_texts(
    keys: Sequence[TrialKey], texts: Mapping[TrialKey, str], *, n_expected: int | None = None
) -> tuple[str, ...]:
    """Put sentences in the official order, as the benchmarks' normaliser leaves them.

    Args:
        keys: The hidden trials in the order of the file: by session, block and trial.
        texts: What was decoded; empty where nothing was.
        n_expected: Sentences the benchmark wants; None where nobody said.

    Returns:
        One sentence a trial of lower-case letters, apostrophes, hyphens and single spaces.

    Raises:
        DataError: there are more or fewer trials than wanted, of several participants, twice or out
            of order; a trial was not decoded, or one that is not among them was; or a sentence
            holds a character that the normaliser would drop without a trace, such as a digit.
    """
    _check_keys(keys, n_expected)
    differing = texts.keys() ^ set(keys)
    if differing:
        first = min(differing)
        told = "has no sentence" if first in set(keys) else "is none of the hidden trials"
        raise DataError(f"{first}: {told}; decode the whole split again")
    return tuple(_sentence(texts[key], str(key)) for key in keys)


def write_submission(path: Path, texts: Sequence[str], layout: Layout) -> None:
    """Write a competition file; it appears whole or not at all.

    Args:
        path: Where to.
        texts: Sentences in the official order, as `submission_texts` gives them.
        layout: `b2t24`: one sentence a line, nothing else. `b2t25`: a CSV of `id,text` with ids
            from 0.

    Raises:
        DataError: a sentence holds a character that is not allowed.

    Source: the example submissions and the notebooks that write them, speechBCI ('24) and
    nejm-brain-to-text ('25).
    """
    for number, text in enumerate(texts):
        if text != _sentence(text, f"sentence {number}"):
            raise DataError(f"sentence {number}: {text!r} is not normalised; pass it through first")
    if layout == "b2t24":
        write_text(path, "".join(f"{text}\n" for text in texts))
        return
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *enumerate(texts)])
    write_text(path, table.getvalue())


def read_submission(path: Path) -> tuple[str, ...]:
    """Read a competition file, or a file of true sentences in one of the two layouts.

    A first line of `id,text` says that it is a CSV, whose rows may come in any order.

    Raises:
        DataError: the file cannot be read or is empty, or ids are missing or come twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({failure})") from None
    lines = text.split("\n")
    if lines and not lines[-1]:  # the end of the last line
        lines.pop()
    if not lines:
        raise DataError(f"{path}: holds no sentence; write it again")
    if lines[0] != ",".join(COLUMNS):
        return tuple(lines)
    return _by_id(path, list(csv.reader(io.StringIO(text))))


def grade(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Give the benchmarks' aggregate word error rate: all edits over all words.

    Unlike `score_trials` it leaves nothing out, instructions included, and groups nothing.

    Args:
        hypotheses: Sentences of a competition file.
        references: The truth, in the same order.

    Returns:
        The rate with the 95 % interval of 10,000 resamples of sentences.

    Raises:
        DataError: there are more of one than of the other, or the truth has no word.

    Source: `calculate_aggregate_error_rate` of nejm-brain-to-text, after its `remove_punctuation`
    on both sides; the '24 server's own code is not public.
    """
    if len(hypotheses) != len(references):
        raise DataError(
            f"{len(hypotheses)} sentences to grade, {len(references)} true ones; "
            "give the truth of the same trials in the same order"
        )
    counts = [word_edits(r, h) for r, h in zip(references, hypotheses, strict=True)]
    if not any(count.n_reference for count in counts):
        raise DataError("the truth has no word in it; is this the file of true sentences?")
    low, high = bootstrap_rate(counts)
    return Score("wer", "all", sum(counts, EditCounts()), low, high, len(counts))


def _check_keys(keys: Sequence[TrialKey], n_expected: int | None) -> None:
    if not keys:
        raise DataError("no trial to write a competition file of")
    people = sorted({f"{key.corpus}/{key.participant}" for key in keys})
    if len(people) > 1:
        raise DataError(
            f"{' and '.join(people)}: a competition file is of one participant; train a run with "
            "participant=NAME"
        )
    for before, after in zip(keys, keys[1:], strict=False):
        if not before < after:
            raise DataError(f"{after}: stands after {before}; the official order is by trial key")
    if n_expected is not None and len(keys) != n_expected:
        raise DataError(
            f"{people[0]}: {len(keys)} hidden trials are prepared, the benchmark wants "
            f"{n_expected}; prepare all sessions"
        )


def _sentence(text: str, where: str) -> str:
    strange = sorted(set(text.lower()) - _LETTERS - _MARKS)
    if strange:
        raise DataError(
            f"{where}: {text!r} has {strange[0]!r}, which the benchmark would drop; the decoder "
            "must spell words with the letters a to z"
        )
    return normalize_sentence(text)


def _by_id(path: Path, rows: list[list[str]]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise DataError(f"{path}: row {line} has {len(row)} columns, not id and text")
        if row[0] in found:
            raise DataError(f"{path}: row {line} has id {row[0]} a second time")
        found[row[0]] = row[1]
    wanted = [str(number) for number in range(len(found))]
    missing = [number for number in wanted if number not in found]
    if missing:
        raise DataError(
            f"{path}: {len(found)} rows, but none has id {missing[0]}; ids count from 0"
        )
    return tuple(found[number] for number in wanted)
