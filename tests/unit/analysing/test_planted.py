"""What is planted in trials and words is what the analyses of runs find, and what they leave."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from sylvian.analyses import RsaConfig, WordTokens
from sylvian.analysing import AnalyseConfig
from sylvian.analysing.findings import find_cka, find_lda, find_pca, find_rsa, find_words
from sylvian.errors import DataError
from sylvian.representations import FEATURES, OUTPUT, Representations
from sylvian.types import Strategy, TrialInfo, TrialKey

QUICK = AnalyseConfig(n_permutations=200, rsa=RsaConfig(n_permutations=300, n_resamples=300))
WIDTH, N_WORDS = 300, 30
ATTEMPTED, IMAGINED = Strategy.ATTEMPTED, Strategy.IMAGINED


def sentences(n: int) -> list[str]:
    letters = "abcdefghij"
    return [f"say {''.join(letters[int(digit)] for digit in f'{place:03d}')}" for place in range(n)]


def trial(place: int, sentence: str, strategy: Strategy) -> TrialInfo:
    """Ten trials a block, a block a day, tasks on days in turn."""
    day = date(2031, 1, 6) + timedelta(days=place // 10)
    return TrialInfo(
        key=TrialKey("synthetic", "S15", day.isoformat(), 1, place % 10),
        split="val",
        bin_s=0.02,
        n_bins=100,
        sentence=sentence,
        phonemes=None,
        strategy=strategy,
        prompt_set=None,
    )


def run(
    layers: dict[str, np.ndarray],
    said: list[str],
    tasks: list[Strategy],
    *,
    words: dict[str, WordTokens] | None = None,
) -> Representations:
    return Representations(
        name="tfs-planted",
        encoder="transformer",
        infos=tuple(trial(i, *pair) for i, pair in enumerate(zip(said, tasks, strict=True))),
        n_frames=np.full(len(said), 60, dtype=np.int64),
        layers={name: values.astype(np.float32) for name, values in layers.items()},
        words=words or {},
        n_unaligned=0,
    )


def mixed(rng: np.random.Generator, space: np.ndarray, share: float) -> np.ndarray:
    """Set beside a space, as large, another that has nothing to do with it."""
    private = rng.normal(size=space.shape)
    return np.concatenate([math.sqrt(share) * space, math.sqrt(1 - share) * private], axis=1)


@pytest.mark.parametrize("shuffled", [False, True])
def test_sentences_lie_as_they_were_planted_however_often_they_were_said(shuffled: bool) -> None:
    rng, texts = np.random.default_rng(3), sentences(60)
    meaning = rng.normal(size=(60, WIDTH))
    heard = {FEATURES: rng.normal(size=(60, 2 * WIDTH)), OUTPUT: mixed(rng, meaning, 0.6)}
    order = rng.permutation(np.concatenate([np.arange(60), np.arange(20)]))  # twenty twice
    layers = {name: values[order] for name, values in heard.items()}
    found = run(layers, [texts[place] for place in order], [ATTEMPTED] * 80)
    at = {text: place for place, text in enumerate(texts)}
    other = rng.permutation(60) if shuffled else np.arange(60)

    def embed(wanted: list[str]) -> np.ndarray:
        return meaning[[other[at[text]] for text in wanted]].astype(np.float32)

    rows = {row["layer"]: row for row in find_rsa([found], QUICK, embed).rows}
    planted = 0.0 if shuffled else 0.6 / math.hypot(0.6, 0.4)
    assert rows[OUTPUT]["n"] == 60
    assert rows[OUTPUT]["low"] < planted < rows[OUTPUT]["high"]
    assert rows[OUTPUT]["r"] == pytest.approx(planted, abs=0.06)
    assert (rows[OUTPUT]["p"] < 0.01) is not shuffled
    assert abs(rows[FEATURES]["r"]) < 0.06 and rows[FEATURES]["p"] > 0.02


def test_lengths_are_chosen_by_the_name_of_the_published_range() -> None:
    rng, texts = np.random.default_rng(3), sentences(40)
    found = run({OUTPUT: rng.normal(size=(40, 20))}, texts, [ATTEMPTED] * 40)
    found.n_frames[:15] = np.linspace(10, 44, 15)

    def embed(wanted: list[str]) -> np.ndarray:
        return rng.normal(size=(len(wanted), 8)).astype(np.float32)

    for name, n in (("t12", 25), ("t15", 0)):
        chosen = QUICK.rsa.model_copy(update={"lengths": name})
        row = find_rsa([found], QUICK.model_copy(update={"rsa": chosen}), embed).rows[0]
        assert (row["n"], row["n_left_out"]) == (n, 40 - n)
        assert bool(row["note"]) == (n == 0)
    with pytest.raises(ValueError, match="or `shortest` and `longest`"):
        RsaConfig(lengths="t12", longest=90)
    with pytest.raises(ValueError, match="between 9 and 3 frames"):
        RsaConfig(shortest=9, longest=3)


def test_tasks_are_told_apart_where_they_were_planted_apart() -> None:
    rng = np.random.default_rng(4)
    tasks = [(ATTEMPTED, IMAGINED)[place // 10 % 2] for place in range(200)]
    noise = rng.normal(size=(200, 40))
    apart = noise + 6.0 * np.array([one is IMAGINED for one in tasks])[:, None] / math.sqrt(40)
    found = run({FEATURES: apart, OUTPUT: noise}, sentences(200), tasks)
    finding = find_lda([found], QUICK)
    rows = {row["layer"]: row for row in finding.rows}
    assert rows[FEATURES]["balanced_accuracy"] > 0.97 and rows[FEATURES]["p"] < 0.01
    assert rows[OUTPUT]["low"] < 0.5 < rows[OUTPUT]["high"] and rows[OUTPUT]["p"] > 0.02
    assert "share no session" in finding.notes[0]


def word_tokens(rng: np.random.Generator, sharing: float) -> WordTokens:
    """Say every word three times in each task, its vectors shared between tasks in part."""
    common, own, other = rng.normal(size=(3, N_WORDS, 60))
    means = [math.sqrt(sharing) * common + math.sqrt(1 - sharing) * one for one in (own, other)]
    vectors, words, tasks = [], [], []
    for task, mean in zip((ATTEMPTED, IMAGINED), means, strict=True):
        for again in range(3):
            vectors.append(mean + 0.1 * rng.normal(size=mean.shape) + again)
            words += [f"word{place}" for place in range(N_WORDS)]
            tasks += [task.value] * N_WORDS
    labels = tuple(map(str, range(len(words))))
    return WordTokens(np.concatenate(vectors), tuple(words), tuple(tasks), labels)


def both_tasks(words: dict[str, WordTokens]) -> Representations:
    rng = np.random.default_rng(5)
    tasks = [(ATTEMPTED, IMAGINED)[place // 10 % 2] for place in range(40)]
    return run({OUTPUT: rng.normal(size=(40, 6))}, sentences(40), tasks, words=words)


def test_words_are_as_alike_between_tasks_as_was_planted() -> None:
    rng = np.random.default_rng(6)
    found = both_tasks({FEATURES: word_tokens(rng, 0.0), OUTPUT: word_tokens(rng, 0.7)})
    rows = {row["layer"]: row for row in find_words([found], QUICK).rows}
    assert rows[OUTPUT]["difference"] == pytest.approx(0.7, abs=0.06)
    assert rows[OUTPUT]["low"] - 0.02 < 0.7 < rows[OUTPUT]["high"] + 0.02
    assert abs(rows[FEATURES]["difference"]) < 0.06 and rows[FEATURES]["p"] > 0.02
    assert rows[OUTPUT]["nearest"] == 1.0


def test_planes_of_words_are_near_where_they_were_planted_near() -> None:
    rng = np.random.default_rng(6)
    layers = {FEATURES: word_tokens(rng, 0.0), "block 1": word_tokens(rng, 0.9)}
    found = both_tasks(layers | {OUTPUT: word_tokens(rng, 1.0)})
    assert {row["layer"] for row in find_pca([found], QUICK).rows} == {FEATURES, OUTPUT}
    every = QUICK.model_copy(update={"every_layer": True})
    rows = find_pca([run_of_all(found)], every).rows
    assert {row["layer"] for row in rows} == set(layers) | {OUTPUT}
    at = {
        (row["layer"], row["word"], row["task"]): np.array([row["pc1"], row["pc2"]]) for row in rows
    }
    for layer, expected in ((FEATURES, 0.0), (OUTPUT, 1.0)):
        ends = [
            [at[layer, f"word{n}", task.value] for n in range(N_WORDS)]
            for task in (ATTEMPTED, IMAGINED)
        ]
        alike = np.corrcoef(np.array(ends[0]).ravel(), np.array(ends[1]).ravel())[0, 1]
        assert alike > 0.95 if expected else abs(alike) < 0.5


def run_of_all(found: Representations) -> Representations:
    """Give trials vectors in every layer the words have."""
    layers = {name: found.layers[OUTPUT] for name in found.words}
    said = [info.sentence or "" for info in found.infos]
    return run(layers, said, [info.strategy for info in found.infos], words=dict(found.words))


def test_layers_that_share_half_of_their_variance_align_by_half() -> None:
    rng = np.random.default_rng(7)
    space = rng.normal(size=(120, WIDTH))
    one, other = (
        run({OUTPUT: mixed(rng, space, 0.5)}, sentences(120), [ATTEMPTED] * 120) for _ in range(2)
    )
    row = find_cka([one, other], QUICK).rows[0]
    assert row["low"] < 0.5 < row["high"] and row["cka"] == pytest.approx(0.5, abs=0.06)
    assert row["p"] < 0.01


def test_too_few_words_give_no_number_and_say_so() -> None:
    rng = np.random.default_rng(8)
    words = word_tokens(rng, 0.5)
    found = both_tasks(dict.fromkeys((FEATURES, OUTPUT), words))
    often = QUICK.model_copy(update={"least_said": 9})
    finding = find_words([found], often)
    assert all(math.isnan(row["difference"]) for row in finding.rows)
    assert finding.rows[0]["note"] == "0 words in common; needs 5"
    assert finding.figure is not None
    with pytest.raises(DataError, match="0 words said 9 times in attempted and imagined"):
        find_pca([found], often)


def test_one_task_or_other_trials_cannot_be_compared() -> None:
    rng = np.random.default_rng(9)
    alone = run({OUTPUT: rng.normal(size=(40, 6))}, sentences(40), [ATTEMPTED] * 40)
    for find in (find_lda, find_words):
        with pytest.raises(DataError, match="only attempted trials in this split"):
            find([alone], QUICK)
    fewer = run({OUTPUT: rng.normal(size=(39, 6))}, sentences(39), [ATTEMPTED] * 39)
    with pytest.raises(DataError, match="not the trials of"):
        find_cka([alone, fewer], QUICK)
    few = run({OUTPUT: rng.normal(size=(6, 6))}, sentences(6), [ATTEMPTED] * 6)
    row = find_cka([few], QUICK).rows[0]
    assert math.isnan(row["cka"]) and "6 items; needs 10" in row["note"]
