"""How well the spotter of the keyword gate tells what was said: simulated logits, real decodes.

    python benchmarks/keyword_spotting.py --run RUN [--split val] [--data ../shared/data] --json

`--run`: a run's own logits; every sentence of two to six words that somebody said in the split is a
keyword once, and every utterance is held against its own sentence and some others. `--data`: the
same on real decodes of T15. That release has no logits here, so the phonemes that a real decoder
recognised become pseudo-logits by an error model of other recording days and other sentences
(`_cross_fit.py`). Thresholds are chosen on other folds: of days on T15, of utterances in a run.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from _cross_fit import FRAME_S, CrossFit, Settings
from _t15_decodes import LEXICON, Phonemes, lm_sentences, read_val_trials, session_folds
from phonemes_to_sentences import heard_by
from sylvian.decode.config import DecodeConfig
from sylvian.decode.ctcscore import CtcScorer
from sylvian.evaluate.calibration import auroc
from sylvian.evaluate.detection import choose_threshold, wilson
from sylvian.evaluate.report import plain
from sylvian.evaluate.resampling import shares
from sylvian.jobs import Job, encode
from sylvian.runs import RunFolder
from sylvian.text import SIL, Lexicon, normalize_sentence, phoneme_vocabulary
from sylvian.types import Logits, TrialKey, silent

WORDS = range(2, 7)
N_OTHERS = 30  # keywords each utterance is held against beside its own
N_FOLDS = 5
LIMITS = (0.01, 0.002)


@dataclass(frozen=True)
class Spoken:
    """Utterances of known sentences, and the fold of each."""

    logits: Sequence[Logits]
    sentences: Sequence[str]
    folds: Sequence[int]
    lexicon: Lexicon


@dataclass(frozen=True)
class Scored:
    """Scores of pairs of an utterance and a keyword.

    Attributes:
        own: Of utterances against their own sentence.
        others: Of utterances against sentences that were not said; utterances by keywords.
        alike: Of utterances against the sentence most alike in sound that was not said.
        own_folds: Fold of each utterance that has a keyword.
        folds: Fold of every utterance.
    """

    own: np.ndarray
    others: np.ndarray
    alike: np.ndarray
    own_folds: np.ndarray
    folds: np.ndarray


def of_run(run: RunFolder, split: str) -> Spoken:
    """Take a run's logits; every fifth utterance is in one fold."""
    job = Job.open(run, split)
    logits, _ = encode(job, silent)
    sentences = [normalize_sentence(info.sentence or "") for info in job.infos]
    folds = [place % N_FOLDS for place in range(len(sentences))]
    return Spoken(logits, sentences, folds, Lexicon.cmudict())


def of_t15(data: Path) -> Spoken:
    """Turn recognised 5-best phonemes into pseudo-logits, cross-fitted over recording days."""
    lexicon = Lexicon.read(data / LEXICON)
    every = read_val_trials(data)
    trials = [trial for trial in every if trial.n_best is not None]
    text = lm_sentences(data, {trial.sentence for trial in every})
    words = Counter(word for sentence in text for word in sentence.split())
    counts: Counter[Phonemes] = Counter()
    for word, n in words.items():
        if word in lexicon:
            counts[lexicon[word][0]] += n
    heard = [heard_by(trial, "n-best") or [] for trial in trials]
    settings = Settings()
    crossed = CrossFit(trials, heard, counts, None, settings)  # type: ignore[arg-type]
    folds = session_folds([t.session for t in trials], settings.n_folds, seed=settings.seed)
    key = TrialKey("card2024", "T15", "2023-08-11", 0, 0)
    logits = [
        Logits(
            key, crossed.fitted(fold).logits(crossed.features[place]), FRAME_S, phoneme_vocabulary()
        )
        for place, fold in enumerate(folds)
    ]
    return Spoken(logits, [trial.sentence for trial in trials], folds, lexicon)


def score(spoken: Spoken, *, seed: int = 0) -> Scored:
    """Score every utterance against its own sentence and against others."""
    rng = np.random.default_rng(seed)
    said = set(spoken.sentences)
    keywords = sorted(text for text in said if len(text.split()) in WORDS)
    sounds = {text: _sounds(spoken.lexicon, text) for text in said}
    scorer = CtcScorer(spoken.lexicon, config=DecodeConfig(blank_penalty=0.0))
    own, others, alike, own_folds = [], [], [], []
    for logits, sentence, fold in zip(spoken.logits, spoken.sentences, spoken.folds, strict=True):
        unlike = [text for text in keywords if text != sentence]
        drawn = [unlike[place] for place in rng.choice(len(unlike), N_OTHERS, replace=False)]
        nearest = max(
            unlike,
            key=lambda text: Levenshtein.normalized_similarity(sounds[text], sounds[sentence]),
        )
        asked = [sentence, nearest, *drawn]
        nats = scorer.score_sentences(logits, asked) / max(len(logits.values), 1)
        others.append(nats[2:])
        alike.append(nats[1])
        if sentence in keywords:
            own.append(nats[0])
            own_folds.append(fold)
    folds = np.array(spoken.folds)
    return Scored(np.array(own), np.array(others), np.array(alike), np.array(own_folds), folds)


def _sounds(lexicon: Lexicon, text: str) -> tuple[str, ...]:
    return tuple(phone for phone in lexicon.phonemes(text) if phone != SIL)


def measure(found: Scored, most_false: float) -> dict[str, Any]:
    """Choose a threshold on the other folds; count both errors on this one, all folds together."""
    false, alike = np.zeros(found.others.shape, bool), np.zeros(len(found.alike), bool)
    missed = np.zeros(len(found.own), bool)
    thresholds = []
    for fold in np.unique(found.folds):
        held, held_own = found.folds == fold, found.own_folds == fold
        chosen = choose_threshold(
            found.own[~held_own], found.others[~held].ravel(), most_false=most_false
        )
        if chosen is None:
            raise SystemExit(f"no threshold keeps false accepts at {most_false:.1%}")
        thresholds.append(chosen.threshold)
        false[held] = found.others[held] >= chosen.threshold
        alike[held] = found.alike[held] >= chosen.threshold
        missed[held_own] = found.own[held_own] < chosen.threshold
    counts = np.full((len(false), 1), false.shape[1])
    together = shares(false.sum(axis=1, keepdims=True), counts, n_resamples=2000)[0]
    return {
        "most_false": most_false,
        "thresholds": [min(thresholds), max(thresholds)],
        "misses": wilson(int(missed.sum()), len(missed))._asdict() | {"n": len(missed)},
        "false_accepts": {
            "n": int(false.size),
            "hits": int(false.sum()),
            "wilson": wilson(int(false.sum()), false.size)._asdict(),
            "over_utterances": plain(together._asdict()),
        },
        "most_alike": wilson(int(alike.sum()), len(alike))._asdict() | {"n": len(alike)},
    }


def report(spoken: Spoken) -> dict[str, Any]:
    """Measure at each limit, and how well the scores tell right from wrong at all."""
    found = score(spoken)
    both = np.concatenate([found.own, found.others.ravel()])
    right = np.arange(len(both)) < len(found.own)
    return {
        "n_utterances": len(spoken.sentences),
        "n_keywords": len({t for t in spoken.sentences if len(t.split()) in WORDS}),
        "auroc": auroc(both, right),
        "at": [measure(found, limit) for limit in LIMITS],
        "flat": _flat(spoken),
    }


def _flat(spoken: Spoken, *, seed: int = 0) -> dict[str, Any]:
    """Hold keywords against logits that know nothing, as of silence or a broken electrode."""
    rng = np.random.default_rng(seed)
    keywords = sorted({t for t in spoken.sentences if len(t.split()) in WORDS})
    scorer = CtcScorer(spoken.lexicon, config=DecodeConfig(blank_penalty=0.0))
    best = -np.inf
    for one in spoken.logits[:50]:
        values = rng.normal(0, 0.3, size=one.values.shape).astype(np.float32)
        flat = Logits(one.key, values, one.frame_s, one.vocabulary)
        some = [keywords[place] for place in rng.choice(len(keywords), min(20, len(keywords)))]
        best = max(best, float(scorer.score_sentences(flat, some).max()) / len(values))
    return {"n": 50, "highest": best}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, nargs="*", default=[], help="run folders, simulated")
    parser.add_argument("--split", default="val", help="of the runs")
    parser.add_argument("--data", type=Path, help="shared data folder")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    arguments = parser.parse_args()
    numbers = {
        f"simulated, {one.name}": report(of_run(RunFolder.open(one, Path()), arguments.split))
        for one in arguments.run
    }
    if arguments.data:
        numbers["T15, real decodes"] = report(of_t15(arguments.data))
    print(json.dumps(numbers) if arguments.json else json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
