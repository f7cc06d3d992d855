"""Read what real decoders made of T15's validation recordings, and the text one may learn from."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rapidfuzz.distance import Levenshtein

from sylvian.errors import DataError
from sylvian.text import SIL, normalize_sentence

LABELS = "t15_decodes/train_val_labels_and_greedy_phonemes.csv.gz"
N_BEST = "t15_decodes/val_phonemes_5best_scored.jsonl.gz"
UNIGRAM = "t15_decodes/val_baseline_1gram_detailed.csv.gz"
FIVEGRAM = "t15_decodes/rnn_baseline_5gram_opt_valsplit.csv"
WEAK = "t15_decodes/weak_decoder_phonemes.csv.gz"
TEXT = "lm_text/c4_short_sentences.txt.gz"
LEXICON = "lexicons/nejm_125k_dict.txt.gz"

Phonemes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one decoder recognised in a trial.

    Attributes:
        hypotheses: Phoneme sequences, each word closed by `SIL`, best first.
        scores: Their log-probabilities in nats; empty where the decoder gave none.
    """

    hypotheses: tuple[Phonemes, ...]
    scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ValTrial:
    """One validation trial: truth, what was recognised, and what other systems made of it.

    Attributes:
        session: Recording day as published, `t15.2023.08.13`.
        sentence: The prompt, normalised.
        phonemes: The published phoneme labels.
        greedy: Best phoneme string of the network whose 5-best lists we decode.
        n_best: Its scored list; None for the 84 trials that the source left out.
        other: Best phoneme string of the official baseline, trained apart from the first.
        systems: Sentences of reference systems, by name.
    """

    session: str
    sentence: str
    phonemes: Phonemes
    greedy: Heard
    n_best: Heard | None
    other: Heard
    systems: dict[str, str]


def read_val_trials(data: Path) -> tuple[ValTrial, ...]:
    """Read the 1,426 validation trials, with the 5-best lists laid beside 1,342 of them.

    Args:
        data: The shared data folder.

    Raises:
        DataError: a file is missing, or the files disagree about the sentences.
    """
    labels = [row for row in _rows(data / LABELS) if row["split"] == "val"]
    unigram, fivegram = _rows(data / UNIGRAM), _rows(data / FIVEGRAM)
    sentences = [normalize_sentence(row["ground_truth_text"]) for row in labels]
    for row, sentence in zip(unigram, sentences, strict=True):
        if normalize_sentence(row["true_sentence"]) != sentence:
            raise DataError(
                f"{data / UNIGRAM}: {row['true_sentence']!r} stands beside {sentence!r}"
            )
    greedy = [_phonemes(row["prediction"].split()) for row in labels]
    lists = _n_best_lists(data / N_BEST)
    placed = place_in_order(
        [(sentence, heard.hypotheses[0]) for sentence, heard in lists],
        list(zip(sentences, greedy, strict=True)),
    )
    list_of = {row: heard for row, (_, heard) in zip(placed, lists, strict=True)}
    return tuple(
        ValTrial(
            session=labels[i]["session"],
            sentence=sentences[i],
            phonemes=_phonemes(labels[i]["ground_truth_phonemes"].split()),
            greedy=Heard((greedy[i],)),
            n_best=list_of.get(i),
            other=Heard((_phonemes(unigram[i]["pred_phonemes"].split()),)),
            systems={
                "RNN baseline + 1-gram": unigram[i]["pred_sentence"],
                "RNN baseline + 5-gram + OPT": fivegram[i]["text"],
            },
        )
        for i in range(len(labels))
    )


def place_in_order(
    some: Sequence[tuple[str, Phonemes]], rows: Sequence[tuple[str, Phonemes]]
) -> list[int]:
    """Find the row of each of some trials: equal sentences, same order, most alike phonemes.

    Args:
        some: Sentence and recognised phonemes of trials, a subsequence of `rows`.
        rows: The same of all trials.

    Returns:
        A rising row number for each.

    Raises:
        DataError: the trials are no subsequence of the rows.

    Why here: 29 of the sentences come more than once; the phonemes tell which one it was.
    """
    ways: dict[int, tuple[int, tuple[Any, ...]]] = {-1: (0, ())}
    for number, (sentence, heard) in enumerate(some):
        ways = {
            row: min(
                (cost + Levenshtein.distance(heard, said), (row, path))
                for before, (cost, path) in ways.items()
                if before < row
            )
            for row, (wanted, said) in enumerate(rows)
            if wanted == sentence and min(ways) < row
        }
        if not ways:
            raise DataError(f"trial {number} ({sentence!r}) has no row left in order")
    path, found = min(ways.values())[1], []
    while path:
        row, path = path
        found.append(row)
    return found[::-1]


def weak_pairs(data: Path, forbidden: set[Phonemes]) -> list[tuple[Phonemes, Phonemes]]:
    """True and recognised phonemes of an early, poor network, without the forbidden utterances."""
    pairs = [
        (_phonemes(row["true_phonemes"].split()), _phonemes(row["pred_phonemes"].split()))
        for row in _rows(data / WEAK)
    ]
    return [(true, heard) for true, heard in pairs if true not in forbidden]


def training_sentences(data: Path) -> list[str]:
    """T15's distinct training sentences, normalised."""
    rows = (row for row in _rows(data / LABELS) if row["split"] == "train")
    return list(dict.fromkeys(normalize_sentence(row["ground_truth_text"]) for row in rows))


def lm_sentences(data: Path, forbidden: set[str]) -> list[str]:
    """Training sentences and C4 text, normalised, distinct, without any forbidden sentence."""
    with _open(data / TEXT) as file:
        text = [normalize_sentence(line) for line in file]
    distinct = dict.fromkeys((*text, *training_sentences(data)))
    kept = [sentence for sentence in distinct if sentence and sentence not in forbidden]
    if not forbidden.isdisjoint(kept):
        raise DataError("a validation sentence is in the language model's text")
    return kept


def session_folds(sessions: Sequence[str], n_folds: int, *, seed: int = 0) -> list[int]:
    """Give each trial the fold of its recording day; days are dealt out at random."""
    days = sorted(set(sessions))
    order = np.random.default_rng(seed).permutation(len(days))
    fold = {days[day]: rank % n_folds for rank, day in enumerate(order)}
    return [fold[session] for session in sessions]


def _n_best_lists(path: Path) -> list[tuple[str, Heard]]:
    with _open(path) as file:
        rows = [json.loads(line) for line in file]
    return [
        (
            normalize_sentence(row["ref"]),
            Heard(
                tuple(_phonemes(candidate["ph"]) for candidate in row["cands"]),
                tuple(float(candidate["score"]) for candidate in row["cands"]),
            ),
        )
        for row in rows
    ]


def _phonemes(tokens: Sequence[str]) -> Phonemes:
    return tuple(SIL if token == "|" else token for token in tokens)


def _rows(path: Path) -> list[dict[str, str]]:
    with _open(path) as file:
        return list(csv.DictReader(file))


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return io.TextIOWrapper(gzip.open(path), encoding="utf-8")
        return path.open(encoding="utf-8")
    except OSError as failure:
        raise DataError(f"{path}: cannot be read ({failure}); put the shared data there") from None
