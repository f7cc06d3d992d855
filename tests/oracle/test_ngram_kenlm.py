"""N-gram scores against KenLM, whose reader and scorer come inside the flashlight-text wheel."""

import math
from pathlib import Path

import numpy as np
import pytest

from sylvian.decode.ngram import ArpaModel, build_ngram, read_arpa, write_arpa

flashlight = pytest.importorskip("flashlight.lib.text.decoder.kenlm")
dictionary = pytest.importorskip("flashlight.lib.text.dictionary")

WORDS = [f"w{i}" for i in range(40)]


def random_text(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, len(WORDS) + 1)
    frequency /= frequency.sum()
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 9), p=frequency)) for _ in range(n)]


def kenlm_scores(path: Path, model: ArpaModel, text: list[str]) -> list[float]:
    """Natural-log sentence scores by KenLM from the same file."""
    names = dictionary.Dictionary()
    for word in model.words:
        names.add_entry(word)
    lm = flashlight.KenLM(str(path), names)
    totals = []
    for sentence in text:
        state, total = lm.start(False), 0.0
        for word in sentence.split():
            state, log10 = lm.score(state, names.get_index(word))
            total += log10
        totals.append((total + lm.finish(state)[1]) * math.log(10))
    return totals


@pytest.mark.parametrize(("order", "prune"), [(2, ()), (3, (0, 0, 1)), (5, ())])
def test_kenlm_reads_our_file_and_gives_our_scores(
    tmp_path: Path, order: int, prune: tuple[int, ...]
) -> None:
    model = build_ngram(random_text(300, seed=1), order=order, prune=prune)
    path = tmp_path / "lm.arpa"
    write_arpa(model, path)
    held_out = [s for s in random_text(60, seed=2) if set(s.split()) <= set(model.words)]
    truth = kenlm_scores(path, model, held_out)
    assert model.score_sentences(held_out) == pytest.approx(truth, abs=1e-3)
    assert read_arpa(path).score_sentences(held_out) == pytest.approx(truth, abs=1e-3)
    assert len(held_out) > 40
