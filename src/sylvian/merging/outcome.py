"""What merging answers: every system's rate beside what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from sylvian.evaluate.table import spread

if TYPE_CHECKING:
    from rich.table import Table

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class MergeRow:
    """One system's words; rates are fractions, seconds are of all trials together.

    Attributes:
        name: The run, or `merged`.
        decoder: Where its candidates came from.
        wer: Word error rate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        seconds: Everything below; of the merged row, that of all runs it needs.
        seconds_encoder: Encoders.
        seconds_search: First pass.
        seconds_second_pass: A language model reading candidates (beside the search in the table).
        seconds_merger: What merging added.
        n_models: Models that must be at hand, a shared one once.
        weights_mb: Their weights in megabytes.
    """

    name: str
    decoder: str
    wer: float
    low: float
    high: float
    seconds: float
    seconds_encoder: float
    seconds_search: float
    seconds_second_pass: float
    seconds_merger: float
    n_models: int
    weights_mb: float


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Runs beside their merger.

    Attributes:
        split: The split.
        by: How they were merged.
        n_trials: Trials that were scored.
        rows: The runs in the order given, the merger last.
        best: Name of the best run, chosen on these very trials and so the hardest to beat.
        gain: Merger minus the best run.
        gain_low: Lower end of its paired 95 % interval.
        gain_high: Upper end.
        gain_p: Two-sided bootstrap p-value.
        notes: How the merger came about, in plain sentences.
        weights: Weights of the language model, where one had a say: one, or one a fold.
        run: Folder of the ensemble, where logits were averaged.
        peak_memory_mb: Largest resident memory of this command, where models ran in it.
        out: File of the merged candidates, if one was asked for.
    """

    split: str
    by: str
    n_trials: int
    rows: tuple[MergeRow, ...]
    best: str
    gain: float
    gain_low: float
    gain_high: float
    gain_p: float
    notes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    run: str | None = None
    peak_memory_mb: float | None = None
    out: str | None = None

    def table(self) -> Table:
        """Draw the rows for the terminal, 80 characters wide."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        decoders = {row.decoder for row in self.rows[:-1]}
        shared = f", {next(iter(decoders))}" if len(decoders) == 1 else ""
        table = Table(
            title=f"{len(self.rows) - 1} runs on {self.split}, {self.n_trials} trials{shared}; "
            "times in seconds",
            caption="\n".join(self._captions(named=not shared)),
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        table.title_justify = table.caption_justify = "left"
        table.add_column("", no_wrap=True)
        for name in ("WER % (95 %)", "encoder", "search", "merger", "total", "MB"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            rate = spread(row.wer, row.low, row.high)
            search_s = row.seconds_search + row.seconds_second_pass
            seconds = (row.seconds_encoder, search_s, row.seconds_merger, row.seconds)
            table.add_row(row.name, rate, *(f"{s:.1f}" for s in seconds), f"{row.weights_mb:.1f}")
        return table

    def _captions(self, *, named: bool) -> list[str]:
        merged, best = self.rows[-1], next(row for row in self.rows if row.name == self.best)
        peak = f", peak {self.peak_memory_mb:.0f} MB" if self.peak_memory_mb else ""
        told = [
            f"Merged ({merged.decoder}) minus the best run: {self._gain()}.",
            f"It takes {_times(merged.seconds, best.seconds)} the seconds of that run and "
            f"{_times(merged.weights_mb, best.weights_mb)} its weights ({merged.n_models} "
            f"models{peak}).",
            *self.notes,
            *(f"{row.name}: {row.decoder}." for row in self.rows[:-1] if named),
        ]
        return [line for one in told for line in wrap(one, 80, break_long_words=False)]

    def _gain(self) -> str:
        gain, low, high = (
            f"{100 * value:+.1f}".replace("-", MINUS)
            for value in (self.gain, self.gain_low, self.gain_high)
        )
        if math.isnan(self.gain_low):
            return f"{gain}, no interval (no run errs)"
        return f"{gain} ({low} to {high}), paired 95 %"


def _times(one: float, other: float) -> str:
    return f"{one / other:.1f} times" if other > 0 else f"{DASH} times"
