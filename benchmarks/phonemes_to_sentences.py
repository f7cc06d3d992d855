"""Real phoneme output of T15's validation recordings, decoded into sentences by our first pass.

No neural activity is needed: `../shared/data/t15_decodes` holds what a real network recognised
(scored 5-best phoneme strings of 1,342 trials, best strings of all 1,426). An error model turns
them into pseudo-logits, and the first pass searches those with a Kneser-Ney model of T15's training
sentences and C4 text, every validation sentence removed.

Everything learned from validation trials is cross-fitted, twice over: recording days are dealt into
folds; the error model that decodes a fold is fitted on the other folds, without trials whose
sentence occurs in the fold; the sentences it is sequence-trained on come from models fitted on
neither that fold nor the proposing one. No trial's reference touches its own decode.

    python benchmarks/phonemes_to_sentences.py [--input n-best greedy two-decoders] [--json]
                                               [--llm smollm2]

Inputs: `n-best` the scored lists, `greedy` only the best string of each of the 1,426 trials,
`two-decoders` the lists and the best string of the official baseline, a network trained apart.
Seconds are those of everything: text, language model, graph, fitting and decoding every fold.

With `--llm` a causal language model rescores the lists. The weights of acoustics, n-gram, language
model and words are tuned for each fold on the other folds; "retuned" is the first pass' own lists
under weights tuned in the same way without the language model. With `--phoneme-llm` a language
model fine-tuned to write sentences from phonemes with simulated errors scores the lists as well
(`_phoneme_llm.py`: error statistics of the other days), and writes sentences by itself. From
start to end:

    python benchmarks/phonemes_to_sentences.py --input n-best --llm smollm2 --phoneme-llm --keep DIR
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported


from _cross_fit import CrossFit, Settings
from _second_pass import SecondPass, oracle, second_pass
from _t15_decodes import (
    LEXICON,
    Heard,
    Phonemes,
    ValTrial,
    lm_sentences,
    read_val_trials,
    training_sentences,
)
from _third_pass import ThirdPass, third_pass
from sylvian.decode.graph import DecodingGraph, GraphConfig, build_graph
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.decode.ngram import build_ngram
from sylvian.errors import SylvianError
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.rates import word_edits
from sylvian.text import Lexicon
from sylvian.types import EditCounts, NBest

SHARED = Path(os.environ.get("SYLVIAN_SHARED", Path(__file__).parents[2] / "shared" / "data"))
INPUTS = ("n-best", "greedy", "two-decoders")
N_BEST = 100  # candidates a trial for the second pass


@dataclass(frozen=True)
class Row:
    """One system on some trials."""

    system: str
    counts: Sequence[EditCounts]
    seen: Sequence[bool]
    seconds: float | None = None

    def figures(self) -> dict[str, Any]:
        """Rates and intervals under the names of the JSON line."""
        low, high = bootstrap_rate(self.counts)
        pairs = list(zip(self.counts, self.seen, strict=True))
        return {
            "system": self.system,
            "wer": _pooled(self.counts),
            "wer_low": low,
            "wer_high": high,
            "wer_seen": _pooled([count for count, seen in pairs if seen]),
            "wer_unseen": _pooled([count for count, seen in pairs if not seen]),
            "n_trials": len(self.counts),
            "n_seen": sum(self.seen),
            "seconds": self.seconds,
        }


def _pooled(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def language_model(
    data: Path, trials: Sequence[ValTrial], lexicon: Lexicon, order: int
) -> tuple[DecodingGraph, Counter[Phonemes], float]:
    """Train the n-gram model and join it with the lexicon.

    Returns:
        The graph, how often the text has words of each sound, and the share of validation words
        that the text lacks.
    """
    text = lm_sentences(data, {trial.sentence for trial in trials})
    model = build_ngram(text, order=order, vocabulary=lexicon.words)
    counts: Counter[Phonemes] = Counter()
    words = Counter(word for sentence in text for word in sentence.split())
    for word, n in words.items():
        if word in lexicon:
            counts[lexicon[word][0]] += n
    spoken = [word for trial in trials for word in trial.sentence.split()]
    new = sum(word not in words for word in spoken) / len(spoken)
    # the labels close every word with SIL, and the error model knows how often one is missed
    silence = GraphConfig(silence_probability=1.0, start_silence_probability=0.0)
    return build_graph(model, lexicon, config=silence), counts, new


def heard_by(trial: ValTrial, source: str) -> list[Heard] | None:
    """What goes into the error model for one kind of input; None where it is missing."""
    if source == "greedy":
        return [trial.greedy]
    if trial.n_best is None:
        return None
    return [trial.n_best] if source == "n-best" else [trial.n_best, trial.other]


@dataclass(frozen=True)
class Rescoring:
    """Which language model rescores, if any.

    Attributes:
        llm: Its name.
        style: How it is shown sentences.
        dtype: Its precision; `auto` is float32 on a CPU.
        n_best: Candidates a trial that it reads.
        keep: Folder for the lists and their scores, which another run then need not make again.
        phoneme_llm: Whether the phoneme-to-sentence model is asked, too.
    """

    llm: str | None = None
    style: str = "written"
    dtype: str = "auto"
    n_best: int = N_BEST
    keep: Path | None = None
    phoneme_llm: bool = False


def run(
    data: Path,
    lexicon: Lexicon,
    sources: Sequence[str],
    settings: Settings,
    rescoring: Rescoring,
) -> dict[str, Any]:
    """Decode each kind of input and hold it beside the reference systems on the same trials."""
    began = time.perf_counter()
    trials = read_val_trials(data)
    graph, counts, new_words = language_model(data, trials, lexicon, settings.order)
    ready = time.perf_counter() - began
    trained = set(training_sentences(data))
    tables = {}
    for source in sources:
        start = time.perf_counter()
        heard = [heard_by(trial, source) for trial in trials]
        chosen = [trial for trial, h in zip(trials, heard, strict=True) if h is not None]
        crossed = CrossFit(chosen, [h for h in heard if h], counts, graph, settings)
        lists = [
            NBest(nbest.key, nbest.hypotheses[: rescoring.n_best])
            for nbest in _lists(source, crossed, rescoring)
        ]
        seconds = time.perf_counter() - start + ready
        said, passed = _systems(source, crossed, lists, rescoring)
        seconds += passed.seconds if passed else 0.0
        third = _third(crossed, passed, data, lexicon, rescoring)
        if third is not None:
            seconds += third.training_seconds + third.scoring_seconds
            said = {f"sylvian + {rescoring.llm} + phoneme LLM": third.texts} | said
            said |= {"sylvian + phoneme LLM": third.without_llm, "phoneme LLM alone": third.alone}
        tables[source] = _table(said, chosen, trained, seconds)
        if passed is not None:
            tables[source]["second_pass"] = _told(passed)
        if third is not None:
            tables[source]["third_pass"] = third.told()
        tables[source]["search_ms_per_trial"] = 1000 * crossed.search_seconds / len(chosen)
    first = tables[sources[0]]["rows"][0]
    return {
        **first,
        "peak_memory_mb": peak_memory_mb(),
        "cpu_seconds": time.process_time(),
        "input": sources[0],
        "new_word_share": new_words,
        "n_lexicon_words": len(lexicon),
        "order": settings.order,
        "n_folds": settings.n_folds,
        "tables": tables,
    }


def _lists(source: str, crossed: CrossFit, rescoring: Rescoring) -> list[NBest]:
    """Decode, or fetch what an earlier run kept."""
    n_best = N_BEST if rescoring.llm else 1
    if rescoring.keep is None:
        return crossed.decode(n_best=n_best)
    path = rescoring.keep / f"{source}-{n_best}best.jsonl"
    if not path.is_file():
        write_nbest(path, crossed.decode(n_best=n_best))
    return list(read_nbest(path))


def _systems(
    source: str, crossed: CrossFit, lists: Sequence[NBest], rescoring: Rescoring
) -> tuple[dict[str, list[str]], SecondPass | None]:
    """Sentences of our systems, by name; the first is the one the others are compared with."""
    name = f"sylvian first pass ({source})"
    said = {name: [nbest.best.text for nbest in lists]}
    if rescoring.llm is None:
        return said, None
    reading = {"style": rescoring.style, "dtype": rescoring.dtype}
    found = second_pass(crossed, lists, rescoring.llm, reading, rescoring.keep)
    said = {f"sylvian + {rescoring.llm} ({source})": found.texts} | said
    said |= {"first pass, retuned": found.retuned, "oracle of the lists": oracle(crossed, lists)}
    return said, found


def _told(found: SecondPass) -> dict[str, Any]:
    """The figures of a second pass under the names of the JSON line."""
    named = ("acoustic_scale", "llm_weight", "word_bonus")
    return {
        "seconds": found.seconds,
        "n_sentences": found.n_sentences,
        "n_known": found.n_known,
        "weights": [{name: getattr(one, name) for name in named} for one in found.weights],
    }


def _third(
    crossed: CrossFit,
    passed: SecondPass | None,
    data: Path,
    lexicon: Lexicon,
    rescoring: Rescoring,
) -> ThirdPass | None:
    if not rescoring.phoneme_llm or passed is None or rescoring.keep is None:
        return None
    keep = rescoring.keep
    return third_pass(crossed, passed.nbests, data=data, lexicon=lexicon, keep=keep, progress=_tell)


def _tell(stage: str, done: int, total: int, note: str = "") -> None:
    """Say on standard error where a long run is."""
    if done % 10 == 0 or done == total:
        print(f"{time.strftime('%H:%M:%S')} {stage} {done} of {total} {note}", file=sys.stderr)


def _table(
    said: dict[str, list[str]], trials: Sequence[ValTrial], trained: set[str], seconds: float
) -> dict[str, Any]:
    seen = [trial.sentence in trained for trial in trials]
    said = said | {name: [trial.systems[name] for trial in trials] for name in trials[0].systems}
    counts = {
        name: [word_edits(trial.sentence, text) for trial, text in zip(trials, hyps, strict=True)]
        for name, hyps in said.items()
    }
    rows = [
        Row(name, edits, seen, seconds if number == 0 else None).figures()
        for number, (name, edits) in enumerate(counts.items())
    ]
    ours, *others = counts.values()
    against = {
        name: paired_bootstrap(ours, other)._asdict()
        for name, other in zip(list(counts)[1:], others, strict=True)
    }
    return {"rows": rows, "against": against}


def peak_memory_mb() -> float:
    """Largest resident memory of this process and of any child so far."""
    usage = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in usage) / 1024


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    head = f"{'system':36} {'WER':>6} {'95 % interval':>15} {'seen':>6} {'unseen':>6} {'trials':>6}"
    for table in report["tables"].values():
        print(f"{head} {'seconds':>8}")
        for row in table["rows"]:
            interval = f"{row['wer_low']:.4f}-{row['wer_high']:.4f}"
            seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}"
            print(
                f"{row['system']:36} {row['wer']:6.4f} {interval:>15} {row['wer_seen']:6.4f} "
                f"{row['wer_unseen']:6.4f} {row['n_trials']:6} {seconds:>8}"
            )
        print(f"search alone: {table['search_ms_per_trial']:.1f} ms a trial")
        for name, difference in table["against"].items():
            print(f"against {name}: {difference}")
        for name in ("second_pass", "third_pass"):
            if name in table:
                print(f"{name}: {table[name]}")
        print()
    print(
        f"peak memory {report['peak_memory_mb']:.0f} MB; lexicon of {report['n_lexicon_words']} "
        f"words; {report['new_word_share']:.2%} of the validation words are not in the text"
    )


def main() -> int:
    """Run, print, and say in one sentence what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="shared data folder")
    parser.add_argument("--input", nargs="+", choices=INPUTS, default=["n-best", "greedy"])
    parser.add_argument("--lexicon", choices=("nejm", "cmudict"), default="nejm")
    parser.add_argument("--order", type=int, default=Settings.order)
    parser.add_argument("--folds", type=int, default=Settings.n_folds)
    parser.add_argument("--seed", type=int, default=Settings.seed, help="of the folds")
    parser.add_argument("--llm", help="language model that rescores, e.g. smollm2")
    parser.add_argument("--style", choices=("written", "plain"), default=Rescoring.style)
    parser.add_argument("--dtype", default=Rescoring.dtype, help="e.g. bfloat16: a third the time")
    parser.add_argument("--n-best", type=int, default=Rescoring.n_best, help="read this many")
    parser.add_argument("--keep", type=Path, help="folder for lists and scores, to go on from")
    parser.add_argument("--phoneme-llm", action="store_true", help="see above")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    if args.phoneme_llm and not (args.llm and args.keep and args.input == ["n-best"]):
        parser.error("--phoneme-llm needs --input n-best, --llm and --keep")
    settings = replace(Settings(), order=args.order, n_folds=args.folds, seed=args.seed)
    try:
        lexicon = Lexicon.read(args.data / LEXICON) if args.lexicon == "nejm" else Lexicon.cmudict()
        rescoring = Rescoring(args.llm, args.style, args.dtype, args.n_best, args.keep)
        rescoring = replace(rescoring, phoneme_llm=args.phoneme_llm)
        report = run(args.data, lexicon, args.input, settings, rescoring)
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    show(report)
    if args.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
