"""Peak memory and speed of reading everything through a mix, at 1, 4 and 16 times the hours.

    python benchmarks/mix_memory.py --hours 0.5 --json

Each corpus has people with spike-band power and monkeys whose units change daily, in sessions of
15 minutes and trials of 5 s. A mix holds descriptions of trials, so what grows with the hours is
some kilobytes a trial where its features are hundreds; `kb_per_trial` is what memory grew by from
the smallest to the largest mix, a trial, and `feature_kb_per_trial` what a trial read fills.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prepare_memory import peak_memory_mb
from sylvian.data import MixConfig, Mixture, prepare
from sylvian.data.corpora import ChannelGroup, CorpusFacts, ParticipantFacts, SessionRef
from sylvian.types import Strategy, Trial, TrialInfo, TrialKey

MULTIPLES = (1, 4, 16)
BIN_S, TRIAL_BINS, SESSION_TRIALS, N_BLOCKS = 0.02, 250, 180, 6
SESSION_HOURS = SESSION_TRIALS * TRIAL_BINS * BIN_S / 3600
_FEATURES = ("threshold crossings", "spike-band power")
_PERSON = ParticipantFacts(
    n_channels=256,
    channels=tuple(
        ChannelGroup(array="M1", feature=feature, start=128 * n, stop=128 * (n + 1))
        for n, feature in enumerate(_FEATURES)
    ),
)
_MONKEY = ParticipantFacts(n_channels=None, species="monkey", strategies=(Strategy.REACHING,))


@dataclass(frozen=True)
class Noise:
    """A corpus of Poisson counts: as many sessions as asked for, half of them a monkey's."""

    n_sessions: int

    @property
    def facts(self) -> CorpusFacts:
        """Name and participants."""
        people = {"A": _PERSON, "B": _MONKEY}
        return CorpusFacts(name="noise", title="Noise", participants=people, splits=("train",))

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions."""
        return tuple(
            SessionRef("AB"[n % 2], f"2030-{n // 56 + 1:02d}-{n // 2 % 28 + 1:02d}", {})
            for n in range(self.n_sessions)
        )

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Draw the trials of a session."""
        rng = np.random.default_rng([*f"{session.participant}{session.session}".encode()])
        width = 256 if session.participant == "A" else 96
        pool = rng.poisson(1.0, (2 * TRIAL_BINS, width)).astype(np.float32)
        for n in range(SESSION_TRIALS):
            key = TrialKey("noise", session.participant, session.session, n % N_BLOCKS + 1, n)
            yield Trial(TrialInfo(key, "train", TRIAL_BINS, BIN_S), pool[n : n + TRIAL_BINS])


def measure(data: Path) -> dict[str, float]:
    """Read a mix from beginning to end in this (fresh) process."""
    imported = peak_memory_mb()
    start = time.perf_counter()
    mix = Mixture.open(MixConfig(), data)
    opening = time.perf_counter() - start
    opened = peak_memory_mb()
    rng = np.random.default_rng(0)
    infos = [*mix.train, *mix.val]
    start = time.perf_counter()
    n_values = sum(mix.read(infos[n].key).features.size for n in rng.permutation(len(infos)))
    seconds = time.perf_counter() - start
    hours = sum(info.n_bins * info.bin_s for info in infos) / 3600
    return {
        "hours": round(hours, 2),
        "n_trials": len(infos),
        "open_s": round(opening, 2),
        "hours_per_s": round(hours / seconds, 2),
        "imported_mb": round(imported, 1),
        "opened_mb": round(opened, 1),
        "peak_mb": round(peak_memory_mb(), 1),
        "features_mb": round(n_values * 4 / 2**20, 1),
        "pickled_mb": round(len(pickle.dumps(mix)) / 2**20, 2),
    }


def run(hours: float) -> dict[str, object]:
    """Prepare and measure at every multiple of `hours`."""
    rows = []
    for multiple in MULTIPLES:
        n_sessions = max(2, 2 * round(multiple * hours / SESSION_HOURS / 2))
        with tempfile.TemporaryDirectory() as scratch:
            prepare(Noise(n_sessions), Path(scratch))
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                rows.append(fresh.apply(measure, (Path(scratch),)))
    least, most = rows[0], rows[-1]
    n = most["n_trials"] - least["n_trials"]
    return {
        "rows": rows,
        "kb_per_trial": round(1024 * (most["peak_mb"] - least["peak_mb"]) / n, 2),
        "feature_kb_per_trial": round(1024 * most["features_mb"] / most["n_trials"], 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=0.5, help="of the smallest mix")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = run(arguments.hours)
    if arguments.json:
        print(json.dumps(result))
        return
    for row in result["rows"]:
        print(row)
    print({name: value for name, value in result.items() if name != "rows"})


if __name__ == "__main__":
    main()
