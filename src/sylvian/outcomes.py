"""What each verb of the pipeline answers: plain frozen things the command line prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.text import counted

if TYPE_CHECKING:
    from rich.table import Table

    from sylvian.evaluate import ScoreReport


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What training left behind.

    Attributes:
        run: The run folder.
        recipe: Name of the recipe.
        best_epoch: Epoch (from 1) that validated best.
        val_per: Its PER, where phonemes were learnt.
        epochs: Epochs trained.
        seconds: Time spent in them.
        n_train: Training trials.
        n_val: Validation trials.
        n_impossible: Training trials too short for their phonemes.
        n_parameters: Weights in training.
        start: The model it began with.
        val_wer: WER of the best epoch, where sentences were learnt.
    """

    run: str
    recipe: str
    best_epoch: int
    val_per: float | None
    epochs: int
    seconds: float
    n_train: int
    n_val: int
    n_impossible: int
    n_parameters: int
    start: str | None = None
    val_wer: float | None = None

    @property
    def validated(self) -> str:
        """Say what chose the best epoch, and how well it did."""
        if self.val_per is None:
            return f"val WER {self.val_wer:.2%}"
        return f"val PER {self.val_per:.2%}"


@dataclass(frozen=True, slots=True)
class BaselineScore:
    """A simple guess at the same hidden bins.

    Attributes:
        name: Which one.
        r2: Its R².
        gain_low: Lower end of the 95 % interval of our R² minus this one, over trials.
        gain_high: Its upper end.
    """

    name: str
    r2: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True, slots=True)
class ReconstructionScore:
    """How well hidden bins of held-out recordings were filled in.

    Attributes:
        participant: `corpus/participant`; its session too where channels differ between days.
        task: The task alone; None: all of them.
        n_trials: Held-out trials.
        r2: R² on hidden bins, about each channel's own mean.
        low: Lower end of its 95 % bootstrap interval over trials.
        high: Upper end.
        baselines: The same bins guessed simply; none for next-bin prediction.
    """

    participant: str
    task: str | None
    n_trials: int
    r2: float
    low: float
    high: float
    baselines: tuple[BaselineScore, ...]


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """What pretraining left behind; `scores` are `ReconstructionScore` as plain data."""

    run: str
    best_epoch: int
    val_r2: float
    epochs: int
    seconds: float
    hours: float
    n_train: int
    n_val: int
    n_parameters: int
    sources: list[dict[str, Any]]
    left_out: list[str]
    scores: list[dict[str, Any]]

    def table(self) -> Table:
        """Draw R² on hidden bins beside the baselines, one participant a line."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        title = f"{Path(self.run).name}: R² on hidden bins of held-out blocks"
        told = [
            f"{self.hours:.2f} h of {len(self.sources)} participants, {self.n_parameters:,} "
            f"parameters; epoch {self.best_epoch} of {self.epochs}, {self.seconds:.0f} s.",
            "In brackets: 95 % over n trials. Beside it, guesses at the same bins: the mean, a",
            "line between neighbours, a linear model. Bold: better than each of them at 95 %.",
            *(f"Left out: {sentence}" for sentence in self.left_out),
        ]
        table = Table(title=title, caption=Text("\n".join(told)), box=SIMPLE_HEAD, pad_edge=False)
        table.title_justify = table.caption_justify = "left"
        table.collapse_padding = True  # six columns must fit into 80 characters
        table.add_column("participant", no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
        table.add_column("R² (95 %)", justify="right", no_wrap=True)
        names = [row["name"] for row in self.scores[0]["baselines"]] if self.scores else []
        for name in names:
            table.add_column(_SHORT.get(name, name), justify="right", no_wrap=True)
        for score in self.scores:
            name = f"  {score['task']}" if score["task"] else score["participant"]
            gains = [row["gain_low"] for row in score["baselines"]]
            wins = names and all(gain is not None and gain > 0 for gain in gains)
            table.add_row(
                Text(name),
                str(score["n_trials"]),
                Text(_interval(score), style="bold" if wins else ""),
                *(_number(row["r2"]) for row in score["baselines"]),
            )
        return table


_SHORT = {"channel mean": "mean", "interpolation": "between"}  # six columns, 80 characters


def _interval(score: dict[str, Any]) -> str:
    if score["r2"] is None:
        return "\N{EN DASH}"
    low, high = _number(score["low"]), _number(score["high"])
    return f"{_number(score['r2'])} ({low} to {high})"


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


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
class RescoreResult:
    """What a second pass did to a split's n-bests.

    Attributes:
        run: The run folder.
        split: The split.
        n_trials: Number of lists.
        nbest: Their file.
        llm: The language model; None: its scores were taken away.
        n_sentences: Distinct candidates.
        n_known: Those that were scored before and not again.
        llm_weight: Weight of its scores in the order of the lists.
        n_changed: Trials whose first candidate is another one now.
        seconds: Opening the model and scoring.
    """

    run: str
    split: str
    n_trials: int
    nbest: str
    llm: str | None
    n_sentences: int
    n_known: int
    llm_weight: float
    n_changed: int
    seconds: float

    def text(self) -> str:
        """Say it in one line."""
        changed = f"{self.n_changed} of {self.n_trials} trials begin with another sentence"
        if self.llm is None:
            return f"{self.nbest}: first pass alone; {changed}"
        return (
            f"{self.nbest}: {self.n_sentences} sentences read by {self.llm} ({self.n_known} known "
            f"before, {self.seconds:.0f} s), weight {self.llm_weight:g}; {changed}; 'sylvian tune' "
            "chooses the weight"
        )


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
        n = counted(self.n_trials, "trial")
        return f"{self.decoder}: {weights} (WER on {self.split} {change}, {n})"


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """The error rates of a split, and what to keep in mind about them.

    Attributes:
        run: The run folder.
        split: The split.
        decoder: Where the words came from: `greedy`, `ngram`, or `ngram + NAME` after a second
            pass.
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
            elif row["unit"] != "cer" and row["group"].startswith("strategy:"):
                flat[f"{row['unit']}_{row['group'].partition(':')[2]}"] = row["rate"]
        flat["zero_shot"] = list(self.report.zero_shot)
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
