"""Which errors real decoders make on T15's validation recordings, beside the BIT paper's list.

    python benchmarks/t15_errors.py --data ../shared/data --out /tmp/t15-errors --json

Reads published phonemes and what two networks recognised (no recordings are needed): the network
whose 5-best lists we decode, and the official baseline with a 1-gram and with 5-gram and OPT-6.7B.
Writes one JSON file of numbers, and figures with the plotted numbers as CSV.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _t15_decodes import UNIGRAM, ValTrial, _rows, read_val_trials, training_sentences
from sylvian.decode.lookup import Lookup
from sylvian.evaluate.analysis import DecodedTrial, analyse_errors
from sylvian.evaluate.pairs import PAPER, ConfusedPair, confused_pairs
from sylvian.figures import save
from sylvian.figures.error_sheets import error_figures
from sylvian.text import Lexicon
from sylvian.types import Hypothesis, Scores

LOOKED_UP, UNIGRAM_LM, FIVEGRAM = "looked up", "1-gram", "5-gram + OPT"


def decoded_trials(data: Path) -> list[DecodedTrial]:
    """Lay the official baseline's phonemes and sentences beside the truth, 1,426 trials."""
    trials = read_val_trials(data)
    rows = _rows(data / UNIGRAM)
    lexicon = Lexicon.cmudict()
    known = {word for text in training_sentences(data) for word in text.split()}
    lookup = Lookup(lexicon.extended(known).restrict(known))
    return [
        DecodedTrial(
            session=f"card2024/T15/{trial.session.removeprefix('t15.').replace('.', '-')}",
            prompt_set=row["corpus"],
            sentence=trial.sentence,
            phonemes=trial.phonemes,
            tokens=trial.other.hypotheses[0],
            systems={
                LOOKED_UP: lookup.spell(Hypothesis("", trial.other.hypotheses[0], Scores(0))).text,
                UNIGRAM_LM: trial.systems["RNN baseline + 1-gram"],
                FIVEGRAM: trial.systems["RNN baseline + 5-gram + OPT"],
            },
        )
        for trial, row in zip(trials, rows, strict=True)
    ]


def pairs_of(trials: Sequence[ValTrial]) -> dict[str, tuple[ConfusedPair, ...]]:
    """Rank confused phonemes of both networks."""
    networks = {
        "network of the 5-best lists": [(t.phonemes, t.greedy.hypotheses[0]) for t in trials],
        "official baseline": [(t.phonemes, t.other.hypotheses[0]) for t in trials],
    }
    return {name: confused_pairs(said, named=PAPER) for name, said in networks.items()}


def main() -> None:
    """Analyse, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shared data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and numbers")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON line")
    arguments = parser.parse_args()
    analysis = analyse_errors(
        decoded_trials(arguments.data),
        lexicon=Lexicon.cmudict(),
        training_sentences=training_sentences(arguments.data),
    )
    pairs = pairs_of(read_val_trials(arguments.data))
    for name, figure in error_figures(analysis).items():
        save(figure, arguments.out / f"{name}.pdf")
    numbers: dict[str, Any] = analysis.to_json()
    numbers["networks"] = {name: [_row(pair) for pair in found] for name, found in pairs.items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "errors.json").write_text(json.dumps(numbers, indent=1) + "\n")
    with (arguments.out / "networks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["network", *_row(pairs["official baseline"][0])])
        writer.writeheader()
        for name, found in pairs.items():
            writer.writerows({"network": name} | _row(pair) for pair in found)
    print(json.dumps(numbers) if arguments.json else json.dumps(numbers, indent=1))


def _row(pair: ConfusedPair) -> dict[str, Any]:
    share = pair.share
    return {
        "pair": pair.name,
        "rank": pair.rank,
        "count": pair.count,
        "forward": pair.forward,
        "backward": pair.backward,
        "share": share.value,
        "low": share.low,
        "high": share.high,
    }


if __name__ == "__main__":
    main()
