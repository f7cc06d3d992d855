"""Is a planted confusion found? A simulated speaker whose /b/ and /p/ hardly differ.

For every seed two speakers are simulated, alike in all but one thing: one makes /b/ and /p/ nearly
the same gesture (`SpeechConfig.alike`). An encoder is trained on each, the validation sentences are
decoded without a language model, and `sylvian errors` ranks the confused phonemes. The seed is that
of the simulation and of the training. Prompts come from the large set alone, so that few words tell
an encoder which of the two it must have been.

    python benchmarks/planted_confusion.py [--seeds 0 1 2] [--share 0.95] [--work DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

from sylvian import pipeline
from sylvian.auditing import audit_errors
from sylvian.data.corpora.synthetic import Synthetic
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.data.synthetic import (
    LikenessConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)

PAIR = ("B", "P")
EPOCHS = 10  # by then a phoneme in twelve is wrong


def speaker(seed: int, *, share: float) -> SyntheticConfig:
    """Give one participant; with a share above 0 they hardly tell /b/ and /p/ apart."""
    alike = LikenessConfig(pairs=(PAIR,), share=share) if share else None
    person = ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=2,
        train_trials=150,
        eval_trials=120,
        hidden_trials=1,
        fifty_share=0.0,
        max_words=6,
        train_only_sessions=(),
        speech=SpeechConfig(words_per_minute=90.0, alike=alike),
        neural=NeuralConfig(snr=2.0),
    )
    return SyntheticConfig(seed=seed, participants=(person,))


def measured(
    home: Path, recipe: str, seed: int, *, share: float, more: list[str]
) -> dict[str, Any]:
    """Simulate, train, decode `val`, analyse its errors; give what became of the pair."""
    started = time.perf_counter()
    simulate(speaker(seed, share=share), home / "raw")
    prepare(Synthetic(home / "raw"), home / "data", jobs=1)
    settings = ["corpus=synthetic", f"train.seed={seed}", f"train.epochs={EPOCHS}", *more]
    trained = pipeline.train(recipe, settings, data=home / "data", runs=home / "runs")
    run = pipeline.open_run(trained.run, home / "runs")
    pipeline.decode(run, "val", lm="none")
    audit_errors(run, "val", home / "errors")
    found = json.loads((home / "errors" / "errors.json").read_text())
    infos = PreparedCorpus.open(home / "data", "synthetic").infos
    said = {
        split: [phone for i in infos if i.split == split for phone in i.phonemes or ()]
        for split in ("train", "val")
    }
    pair = next(one for one in found["pairs"] if (one["first"], one["second"]) == PAIR)
    top, second = found["pairs"][:2]
    return {
        "seed": seed,
        "planted": bool(share),
        "val_per": trained.val_per,
        "n_trials": found["n_trials"],
        "said_in_train": {one: said["train"].count(one) for one in PAIR},
        "said_in_val": {one: said["val"].count(one) for one in PAIR},
        "rank": pair["rank"],
        "count": pair["count"],
        "b_as_p": pair["forward"],
        "p_as_b": pair["backward"],
        "share": pair["share"],
        "top": {"pair": f"{top['first']}/{top['second']}", "share": top["share"]["value"]},
        "second": {
            "pair": f"{second['first']}/{second['second']}",
            "count": second["count"],
            "share": second["share"],
        },
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Compare the planted speaker with the usual one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.95, help="how far the gestures meet")
    parser.add_argument("--recipe", default="tfs")
    parser.add_argument("--set", action="append", default=[], help="setting of the recipe")
    parser.add_argument("--work", type=Path, help="folder to keep everything in; default: none")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON line")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        home = asked.work or Path(scratch)
        for seed in asked.seeds:
            for name, share in (("usual", 0.0), ("planted", asked.share)):
                row = measured(
                    home / f"{name}-{seed}", asked.recipe, seed, share=share, more=asked.set
                )
                rows.append(row)
                print(said(row), file=sys.stderr if asked.json else sys.stdout, flush=True)
    if asked.json:
        print(json.dumps({"share": asked.share, "recipe": asked.recipe, "rows": rows}))


def said(row: dict[str, Any]) -> str:
    """Put one row in a line."""
    share = row["share"]
    ends = "no interval"
    if share["low"] is not None:
        ends = f"{100 * share['low']:.1f} to {100 * share['high']:.1f}"
    return (
        f"seed {row['seed']} {'planted' if row['planted'] else 'usual':8s} "
        f"PER {100 * row['val_per']:4.1f} %  B/P rank {row['rank']}, "
        f"{100 * share['value']:.1f} % ({ends}) of "
        f"substitutions, n = {row['count']} ({row['b_as_p']} b for p, {row['p_as_b']} p for b) of "
        f"{sum(row['said_in_val'].values())} said; second {row['second']['pair']} "
        f"{100 * row['second']['share']['value']:.1f} %; {row['seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
