"""Error rates of real T15 decodes, as the files' own README and columns state them."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sylvian.evaluate import (
    bootstrap_rate,
    count_edits,
    paired_bootstrap,
    score_trial,
    score_trials,
    word_edits,
)
from sylvian.text import Lexicon
from sylvian.types import EditCounts, TrialInfo, TrialKey

Rows = list[dict[str, str]]


def pooled(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


@pytest.fixture(scope="module")
def decodes(shared_data: Path) -> Path:
    folder = shared_data / "t15_decodes"
    if not folder.is_dir():
        pytest.skip(f"no T15 decodes at {folder}")
    return folder


@pytest.fixture(scope="module")
def one_gram(decodes: Path) -> Rows:
    with gzip.open(decodes / "val_baseline_1gram_detailed.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def labels(decodes: Path) -> Rows:
    with gzip.open(decodes / "train_val_labels_and_greedy_phonemes.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def test_one_gram_baseline_trial_by_trial(one_gram: Rows) -> None:
    counts = [word_edits(row["true_sentence"], row["pred_sentence"]) for row in one_gram]
    assert [c.n_errors for c in counts] == [int(row["edit_distance"]) for row in one_gram]
    assert [c.n_reference for c in counts] == [int(row["num_words"]) for row in one_gram]
    assert round(pooled(counts), 3) == 0.214
    low, high = bootstrap_rate(counts)
    assert low < pooled(counts) < high < low + 0.03


def test_five_gram_baseline(one_gram: Rows, decodes: Path) -> None:
    with (decodes / "rnn_baseline_5gram_opt_valsplit.csv").open() as file:
        decoded = [row["text"] for row in csv.DictReader(file)]
    truth = [row["true_sentence"] for row in one_gram]
    counts = [word_edits(*pair) for pair in zip(truth, decoded, strict=True)]
    assert round(pooled(counts), 3) == 0.063
    others = [word_edits(row["true_sentence"], row["pred_sentence"]) for row in one_gram]
    gap = paired_bootstrap(others, counts)
    assert gap.low < gap.difference < gap.high
    assert gap.p < 0.001


def test_greedy_phonemes(labels: Rows, one_gram: Rows) -> None:
    val = [row for row in labels if row["split"] == "val"]
    counts = [
        count_edits(row["ground_truth_phonemes"].split(), row["prediction"].split()) for row in val
    ]
    assert round(pooled(counts), 3) == 0.103
    for row in one_gram:
        edits = count_edits(row["true_phonemes"].split(), row["pred_phonemes"].split())
        assert edits.n_errors == int(row["p_edit_distance"])
        assert edits.n_reference == int(row["num_phonemes"])


@pytest.mark.parametrize(
    ("system", "expected", "oracle"),
    [
        ("causal_transformer_llm", 0.045, 0.019),
        ("bidir_transformer_llm", 0.039, 0.015),
        ("causal_transformer_wfst", 0.043, 0.017),
    ],
)
def test_transformer_candidates(decodes: Path, system: str, expected: float, oracle: float) -> None:
    with gzip.open(decodes / f"val_words_10cand_{system}.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    counts = [[word_edits(row["ref"], text) for text in row["cands"]] for row in rows]
    assert round(pooled([c[0] for c in counts]), 3) == expected
    assert round(pooled([min(c, key=lambda e: e.n_errors) for c in counts]), 3) == oracle


def test_lexicon_gives_the_published_labels(labels: Rows) -> None:
    """The releases label with g2p_en, which knows parts of speech; we need not agree on `read`."""
    lexicon = Lexicon.cmudict()
    published = {row["ground_truth_text"]: row["ground_truth_phonemes"] for row in labels}
    counts = [
        count_edits(phonemes.replace("|", "SIL").split(), lexicon.phonemes(sentence))
        for sentence, phonemes in published.items()
    ]
    assert pooled(counts) < 0.0025


def test_report_of_real_decodes(one_gram: Rows, labels: Rows) -> None:
    results = [
        score_trial(
            described(row),
            text=row["pred_sentence"],
            tokens=row["pred_phonemes"].replace("|", "SIL").split(),
        )
        for row in one_gram
    ]
    training = [row["ground_truth_text"] for row in labels if row["split"] == "train"]
    report = score_trials(results, training_sentences=training, n_resamples=500)
    assert (report.n_trials, report.cues) == (1_426, {})
    assert len(report.groups("session:")) == 41
    for unit in ("per", "wer", "cer"):
        whole = report.find(unit)
        for groups in (report.groups("session:"), report.groups("prompt_set:"), ("seen", "unseen")):
            parts = [part for group in groups if (part := report.find(unit, group))]
            assert whole is not None
            assert sum((part.counts for part in parts), EditCounts()) == whole.counts
            assert sum(part.n_trials for part in parts) == 1_426
    rates = {g: round(s.rate, 3) for g in report.groups() if (s := report.find("wer", g))}
    assert rates["all"] == 0.214
    assert rates["prompt_set:Freq words"] < rates["prompt_set:Harvard"] < rates["prompt_set:Random"]


def described(row: dict[str, str]) -> TrialInfo:
    session = row["session"].removeprefix("t15.").replace(".", "-")
    key = TrialKey("card2024", "T15", session, int(row["block"]), int(row["trial"]))
    phonemes = tuple(row["true_phonemes"].replace("|", "SIL").split())
    return TrialInfo(
        key,
        "val",
        1,
        sentence=row["true_sentence"],
        phonemes=phonemes,
        prompt_set=row["corpus"],
    )
