"""Learn the letter-to-sound trees of `sylvian.text.letter_to_sound` from the packaged CMUdict.

    python tools/build_letter_to_sound.py [--out FILE]

Three steps: align letters to phones by expectation-maximisation (a letter makes none, one or two
phones), grow one decision tree a letter over its neighbours and the sound before it, prune what
does not pay for itself. Every twentieth word (by a seeded checksum) is never looked at and serves
the test. Takes about two minutes on one core; the same dictionary gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from sylvian.text import Lexicon

SEED = "sylvian"
EM_ROUNDS = 6
LONGEST = 2  # phones a letter may make
OFFSETS = (-4, -3, -2, -1, 1, 2, 3, 4, 0)  # letters asked about; 0 is the sound before
LEAST_WORDS = 15  # a letter's sound heard less often is taken for a misalignment
LEAST_FIT = -3.2  # mean log-likelihood a letter below which spelling and sound are strangers
LEAST_LETTERS = 4  # a node of fewer examples is not split
BRANCH_COST = 0.2  # nats of gain each branch must bring
ERROR_COST = 0.5  # training errors each surviving branch must save
OUT = Path(__file__).parents[1] / "src" / "sylvian" / "resources" / "letter_to_sound.json.gz"

Phones = tuple[str, ...]
Model = dict[tuple[str, Phones], float]
Node = Any  # str, or [str, int, dict[str, Node]]: what the JSON file holds


class Examples(NamedTuple):
    """Training letters: codes of their surroundings, and the sound each makes."""

    cues: np.ndarray
    sounds: np.ndarray


def is_held_out(word: str) -> bool:
    """Tell whether a word belongs to the twentieth that training never sees."""
    return crc32(f"{SEED} {word}".encode()) % 20 == 0


def say(line: str) -> None:
    """Report progress."""
    sys.stderr.write(f"{time.process_time():6.1f} s  {line}\n")


# ----------------------------------------------------------------- alignment


def align_all(pairs: Sequence[tuple[str, Phones]]) -> list[tuple[str, list[str], float]]:
    """Give the sound of every letter of every word, and how well each word fits."""
    model = first_guess(pairs)
    for number in range(EM_ROUNDS):
        model, likelihood = improve(model, pairs)
        say(f"alignment round {number + 1}: {likelihood:.3f} nats a word")
    aligned = (best_path(model, word, phones) for word, phones in pairs)
    return [found for found in aligned if found is not None]


def first_guess(pairs: Iterable[tuple[str, Phones]]) -> Model:
    """Let each letter hear the phones that stand about as far into the word as it does."""
    counts: Counter[tuple[str, Phones]] = Counter()
    for word, phones in pairs:
        for place, letter in enumerate(word):
            middle = int((place + 0.5) / len(word) * len(phones))
            counts[letter, ()] += 0.3
            for start in range(max(0, middle - 1), min(len(phones), middle + 2)):
                counts[letter, phones[start : start + 1]] += 1
                if start + 2 <= len(phones):
                    counts[letter, phones[start : start + 2]] += 0.05
    return normalised(counts)


def normalised(counts: Counter[tuple[str, Phones]]) -> Model:
    """Divide by the total of each letter."""
    totals: Counter[str] = Counter()
    for (letter, _), count in counts.items():
        totals[letter] += count
    return {pair: count / totals[pair[0]] for pair, count in counts.items()}


def improve(model: Model, pairs: Sequence[tuple[str, Phones]]) -> tuple[Model, float]:
    """One round of expectation-maximisation; also the mean log-likelihood of a word."""
    counts: Counter[tuple[str, Phones]] = Counter()
    total = 0.0
    for word, phones in pairs:
        steps = step_table(model, word, phones)
        forward, backward = forward_pass(steps), backward_pass(steps)
        whole = forward[-1][len(phones)]
        if whole <= 0:
            continue
        total += math.log(whole)
        for place, letter in enumerate(word):
            for start, options in enumerate(steps[place]):
                reach = forward[place][start] / whole
                for length, probability in enumerate(options if reach else ()):
                    if probability:
                        onward = backward[place + 1][start + length]
                        sound = phones[start : start + length]
                        counts[letter, sound] += reach * probability * onward
    return normalised(counts), total / len(pairs)


def step_table(model: Model, word: str, phones: Phones) -> list[list[list[float]]]:
    """Probability that a letter (row) at a phone (column) makes none, one or two phones."""
    ends = range(len(phones) + 1)
    return [
        [
            [
                model.get((letter, phones[start : start + length]), 0.0)
                for length in range(min(LONGEST, len(phones) - start) + 1)
            ]
            for start in ends
        ]
        for letter in word
    ]


def forward_pass(steps: list[list[list[float]]]) -> list[list[float]]:
    """Probability of each prefix: rows are letters spent, columns phones made."""
    width = len(steps[0])
    rows = [[1.0] + [0.0] * (width - 1)]
    for options_by_start in steps:
        row = [0.0] * width
        for start, options in enumerate(options_by_start):
            for length, probability in enumerate(options):
                row[start + length] += rows[-1][start] * probability
        rows.append(row)
    return rows


def backward_pass(steps: list[list[list[float]]]) -> list[list[float]]:
    """Probability of each suffix, laid out as in `forward_pass`."""
    rows = [[0.0] * (len(steps[0]) - 1) + [1.0]]
    for options_by_start in reversed(steps):
        after = rows[0]
        rows.insert(
            0,
            [
                sum(p * after[start + length] for length, p in enumerate(options))
                for start, options in enumerate(options_by_start)
            ],
        )
    return rows


def best_path(model: Model, word: str, phones: Phones) -> tuple[str, list[str], float] | None:
    """Most likely sound of each letter, as text, and the mean log-likelihood a letter."""
    beam: dict[int, tuple[float, list[str]]] = {0: (0.0, [])}
    for letter in word:
        longer: dict[int, tuple[float, list[str]]] = {}
        for start, (score, path) in beam.items():
            for length in range(min(LONGEST, len(phones) - start) + 1):
                sound = phones[start : start + length]
                probability = model.get((letter, sound), 0.0)
                if probability > 0:
                    found = score + math.log(probability)
                    if found > longer.get(start + length, (-math.inf,))[0]:
                        longer[start + length] = (found, [*path, " ".join(sound)])
        beam = longer
    if len(phones) not in beam:
        return None
    score, path = beam[len(phones)]
    return word, path, score / len(word)


# --------------------------------------------------------------------- trees


class Codes:
    """Numbers for the cues (letters, then sounds) and for the sounds a letter makes."""

    def __init__(self, sounds: Iterable[str]) -> None:
        self.sounds = sorted(set(sounds))
        self.cues = ["#", *"abcdefghijklmnopqrstuvwxyz", *self.sounds]
        self.sound = {name: i for i, name in enumerate(self.sounds)}
        self.letter = {name: i for i, name in enumerate(self.cues[:27])}

    def surroundings(self, word: str, sounds: Sequence[str]) -> list[list[int]]:
        """Code the cues of every letter of a word, in the order of `OFFSETS`."""
        padded = "####" + word + "####"
        before = [0, *(27 + self.sound[sound] for sound in sounds[:-1])]
        letters = OFFSETS[:-1]
        return [
            [*(self.letter[padded[4 + place + offset]] for offset in letters), before[place]]
            for place in range(len(word))
        ]


def examples_by_letter(
    aligned: Sequence[tuple[str, list[str], float]],
) -> tuple[dict[str, Examples], Codes]:
    """Lay the aligned words out letter by letter, without words that do not sound as spelled."""
    fitting = [(word, sounds) for word, sounds, fit in aligned if fit >= LEAST_FIT]
    heard = Counter(pair for word, sounds in fitting for pair in zip(word, sounds, strict=True))
    fitting = [
        (word, sounds)
        for word, sounds in fitting
        if all(heard[pair] >= LEAST_WORDS for pair in zip(word, sounds, strict=True))
    ]
    codes = Codes(sound for _, sounds in fitting for sound in sounds)
    rows: defaultdict[str, list[list[int]]] = defaultdict(list)
    answers: defaultdict[str, list[int]] = defaultdict(list)
    for word, sounds in fitting:
        for letter, row, sound in zip(word, codes.surroundings(word, sounds), sounds, strict=True):
            rows[letter].append(row)
            answers[letter].append(codes.sound[sound])
    say(f"{len(fitting)} of {len(aligned)} aligned words train {len(codes.sounds)} sounds")
    return {k: Examples(np.array(rows[k]), np.array(answers[k])) for k in sorted(rows)}, codes


def grow(examples: Examples, codes: Codes) -> tuple[Node, float]:
    """Grow a tree and prune it on the way back.

    Returns:
        The tree, and its cost: training errors plus a price for every branch.
    """
    counts = np.bincount(examples.sounds, minlength=len(codes.sounds))
    usual = int(counts.argmax())
    errors = float(len(examples.sounds) - counts[usual])
    leaf = codes.sounds[usual], errors
    column = best_question(examples, counts) if len(examples.sounds) >= LEAST_LETTERS else None
    if errors == 0 or column is None:
        return leaf
    branches, cost = {}, 0.0
    for cue in np.unique(examples.cues[:, column]):
        chosen = examples.cues[:, column] == cue
        branch, paid = grow(Examples(examples.cues[chosen], examples.sounds[chosen]), codes)
        cost += paid
        if branch != leaf[0]:
            branches[codes.cues[cue]] = branch
            cost += ERROR_COST
    if not branches or cost >= errors:
        return leaf
    return [leaf[0], OFFSETS[column], branches], cost


def best_question(examples: Examples, counts: np.ndarray) -> int | None:
    """Choose the cue with most information for the fewest branches; None if none pays."""
    size = len(examples.sounds)
    scores = [score_split(column, examples.sounds, counts) for column in examples.cues.T]
    best = int(np.argmax(scores))
    return best if size and scores[best] > 0 else None


def score_split(cues: np.ndarray, sounds: np.ndarray, counts: np.ndarray) -> float:
    """Information gained by a cue (nats over all examples), less its price, over its spread."""
    kinds = len(counts)
    table = np.bincount(cues * kinds + sounds, minlength=(cues.max() + 1) * kinds)
    sizes = table.reshape(-1, kinds).sum(axis=1)
    n_branches = int((sizes > 0).sum())
    if n_branches < 2:
        return 0.0
    total = len(sounds)
    gain = total_log(table) - total_log(sizes) - total_log(counts) + total * math.log(total)
    spread = math.log(total) - total_log(sizes) / total
    return float((gain - BRANCH_COST * n_branches) / (0.7 + spread))


def total_log(counts: np.ndarray) -> float:
    """Sum of n log n."""
    present = counts[counts > 0]
    return float((present * np.log(present)).sum())


def n_nodes(node: Node) -> int:
    """Count the nodes of a tree."""
    return 1 if isinstance(node, str) else 1 + sum(map(n_nodes, node[2].values()))


def main() -> None:
    """Build the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    lexicon = Lexicon.cmudict()
    words = [w for w in sorted(lexicon) if w.isalpha() and not is_held_out(w)]
    pairs = [(word, lexicon[word][0]) for word in words if set(word) & set("aeiouy")]
    say(f"{len(pairs)} words to learn from")
    examples, codes = examples_by_letter(align_all(pairs))
    trees = {letter: grow(found, codes)[0] for letter, found in examples.items()}
    text = json.dumps({"format": 1, "trees": trees}, separators=(",", ":"))
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    say(f"{sum(map(n_nodes, trees.values()))} nodes, {out.stat().st_size} bytes in {out}")


if __name__ == "__main__":
    main()
