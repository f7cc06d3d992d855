"""What each verb of the pipeline answers: plain frozen things the command line prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from sylvian.evaluate import ScoreReport


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training left behind."""

    run: str
    recipe: str
    best_epoch: int
    val_per: float
    epochs: int
    seconds: float
    n_train: int
    n_val: int
    n_impossible: int
    n_parameters: int


@dataclass(frozen=True, slots=True)
class LmResult:
    """An n-gram on disk."""

    lm: str
    order: int
    n_sentences: int
    n_ngrams: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """What decoding a split left behind; `nbest` is None where there was no n-gram."""

    run: str
    split: str
    n_trials: int
    greedy: str
    nbest: str | None
    lm: str | None
    seconds_encoder: float
    seconds_search: float
    recorded_seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TuneResult:
    """The decoder's weights chosen on a split."""

    run: str
    split: str
    n_trials: int
    decoder: str
    weights: dict[str, float]
    wer_before: float
    wer_after: float

    def text(self) -> str:
        """Say it in one line."""
        weights = ", ".join(f"{name}={value:.4g}" for name, value in self.weights.items())
        change = f"{self.wer_before:.2%} -> {self.wer_after:.2%}"
        return f"{self.decoder}: {weights} (WER on {self.split} {change}, {self.n_trials} trials)"


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """The error rates of a split, and what to keep in mind about them.

    Attributes:
        run: The run folder.
        split: The split.
        decoder: `ngram`, or `greedy` where there was no n-gram: where the words came from.
        report: Rates of that decoder. Phonemes are always the greedy ones, so that the PER speaks
            of the encoder alone.
        greedy: Rates with the words looked up without a language model.
        notes: What was chosen on which trials, and how often this split was looked at.
    """

    run: str
    split: str
    decoder: str
    report: ScoreReport
    greedy: ScoreReport
    notes: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Give the headline as plain numbers, None where there was nothing to score."""
        flat: dict[str, Any] = {"run": self.run, "split": self.split, "decoder": self.decoder}
        for row in self.report.to_json()["scores"]:
            if row["group"] == "all":
                unit = row["unit"]
                flat |= {unit: row["rate"], f"{unit}_low": row["low"], f"{unit}_high": row["high"]}
            elif row["unit"] == "wer" and row["group"] in ("seen", "unseen"):
                flat[f"wer_{row['group']}"] = row["rate"]
        return flat | {"n_trials": self.report.n_trials, "notes": list(self.notes)}

    def table(self) -> Table:
        """Draw the rates for the terminal."""
        from sylvian.evaluate import report_table

        title = f"{Path(self.run).name} on {self.split} ({self.decoder})"
        return report_table(self.report, title=title, notes=self.notes)


@dataclass(frozen=True, slots=True)
class ReportResult:
    """A report on disk."""

    report: str
    n_runs: int
