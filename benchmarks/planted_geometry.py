"""Does RSA find how alike two spaces were made? Recordings of a simulated speaker, no training.

Sentences of one simulated speaker become vectors as an encoder's do (10 segments of the features).
A second space is made of them: cosines in it are `share` times those of the recordings plus the
rest times those of random vectors, so that the correlation of distances is known,

    planted = share sd(recordings) / hypot(share sd(recordings), (1 - share) sd(random))

with sd the spread of distances over pairs. Every draw of the random vectors is analysed once as it
is and once with the sentences of the second space shuffled.

    python benchmarks/planted_geometry.py [--sentences 120] [--draws 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np

from sylvian.analyses import RsaConfig, distances, rsa, segment_vector
from sylvian.data.corpora.synthetic import Synthetic
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.data.synthetic import (
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)

SHARES = (0.0, 0.3, 0.6, 0.9)
WIDTH = 60  # of the random vectors
CONFIG = RsaConfig(n_permutations=1_000, n_resamples=1_000)


def recordings(n_sentences: int) -> np.ndarray:
    """Give unit vectors of a simulated speaker's held-out sentences."""
    person = ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=2,
        train_trials=1,
        eval_trials=n_sentences // 2,
        hidden_trials=1,
        fifty_share=0.0,
        max_words=6,
        train_only_sessions=(),
        speech=SpeechConfig(words_per_minute=90.0),
        neural=NeuralConfig(snr=2.0),
    )
    with tempfile.TemporaryDirectory() as scratch:
        simulate(SyntheticConfig(participants=(person,)), Path(scratch) / "raw")
        prepare(Synthetic(Path(scratch) / "raw"), Path(scratch) / "data", jobs=1)
        corpus = PreparedCorpus.open(Path(scratch) / "data", "synthetic")
        held_out = [info for info in corpus.infos if info.split == "val"]
        found = {
            info.sentence: segment_vector(corpus.read(info.key).features, 10) for info in held_out
        }
    return unit(np.stack(list(found.values())).astype(np.float64))


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1."""
    scaled: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def measured(neural: np.ndarray, share: float, n_draws: int) -> dict[str, float]:
    """Plant a correlation, find it again; and shuffle."""
    upper = np.triu_indices(len(neural), k=1)
    spread = float(distances(neural)[upper].std())
    planted = share * spread / np.hypot(share * spread, (1 - share) / np.sqrt(WIDTH))
    as_it_is, shuffled = [], []
    for seed in range(n_draws):
        rng = np.random.default_rng([seed, 7])
        random = unit(rng.normal(size=(len(neural), WIDTH)))
        text = np.concatenate([share**0.5 * neural, (1 - share) ** 0.5 * random], axis=1)
        as_it_is.append(rsa(neural, text, config=CONFIG, seed=seed).estimate)
        shuffled.append(rsa(neural, rng.permutation(text), config=CONFIG, seed=seed).estimate)
    return {
        "share": share,
        "planted": float(planted),
        "found": float(np.mean([one.value for one in as_it_is])),
        "within_interval": float(np.mean([one.low <= planted <= one.high for one in as_it_is])),
        "below_5_percent": float(np.mean([one.p < 0.05 for one in as_it_is])),
        "shuffled": float(np.mean([one.value for one in shuffled])),
        "shuffled_around_0": float(np.mean([one.low <= 0 <= one.high for one in shuffled])),
        "shuffled_below_5_percent": float(np.mean([one.p < 0.05 for one in shuffled])),
    }


def main() -> None:
    """Print a line a share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=120)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    neural = recordings(asked.sentences)
    rows = [measured(neural, share, asked.draws) for share in SHARES]
    if asked.json:
        print(json.dumps({"n_sentences": len(neural), "n_draws": asked.draws, "rows": rows}))
        return
    print(f"{len(neural)} sentences, {asked.draws} draws")
    for row in rows:
        print("  ".join(f"{name} {value:.3f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
