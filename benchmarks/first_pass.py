"""First pass against flashlight-text: same lexicon, same language model, same logits, one run.

Each decoder runs in a process of its own on one core, so that its peak memory can be told apart:
the clock starts after loading and one warm-up trial. Logits are simulated from sentences that the
language model was not trained on; totals are compared in our units, where scale and penalties of
both are the same. flashlight-text has no cost for skipping silence, so silence costs as much as
none in this comparison (probability one half).

    python benchmarks/first_pass.py [--trials 60] [--text FILE] [--json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rapidfuzz.distance import Levenshtein

from sylvian.decode.arpafile import write_arpa
from sylvian.decode.beam import PRESETS, DecodeConfig, FirstPass
from sylvian.decode.combine import total_score
from sylvian.decode.graph import GraphConfig, build_graph
from sylvian.decode.greedy import greedy
from sylvian.decode.io import read_logits, write_logits
from sylvian.decode.ngram import build_ngram
from sylvian.text import Lexicon, Vocabulary, normalize_sentence, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

SHARED = Path(__file__).parents[2] / "shared" / "data" / "lm_text" / "c4_short_sentences.txt.gz"
FRAME_S = 0.1
N_WORDS = 40_000
SILENCE = GraphConfig(silence_probability=0.5, start_silence_probability=0.5)
OURS = {"default": DecodeConfig(), "t15": PRESETS["t15"], "t12": PRESETS["t12-5gram"]}
FLASHLIGHT = {"beam 100": (100, 41, 17.0), "beam 500": (500, 41, 17.0)}


def sentences(path: Path | None) -> list[str]:
    """Read the text, or make one up where it is missing."""
    path = path or SHARED
    if path.is_file():
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        return [s for s in map(normalize_sentence, text.splitlines()) if s]
    rng = np.random.default_rng(0)
    words = [w for w in Lexicon.cmudict().words if w.isalpha()][:20_000]
    weights = 1 / np.arange(1, len(words) + 1)
    weights /= weights.sum()
    return [" ".join(rng.choice(words, rng.integers(3, 11), p=weights)) for _ in range(60_000)]


def simulated(sentence: str, lexicon: Lexicon, vocabulary: Vocabulary, seed: int) -> np.ndarray:
    """Logits as a trained head gives them: confident blanks, peaks of a frame, one in ten wrong."""
    rng = np.random.default_rng([7, seed])
    path: list[int] = []
    for label in vocabulary.encode(lexicon.phonemes(sentence)):
        path += [0] * int(1 + rng.geometric(0.35)) + [label]
    path += [0, 0]
    n = len(path)
    values = rng.normal(0.0, 1.5, (n, len(vocabulary)))
    values[np.arange(n), path] += np.where(np.array(path) == 0, 12.0, rng.normal(9.0, 2.0, n))
    spoken = np.flatnonzero(path)
    rivals = rng.integers(1, len(vocabulary), len(spoken))
    values[spoken, rivals] += np.maximum(rng.normal(3.5, 2.5, len(spoken)), 0)
    values[spoken, 0] += np.maximum(rng.normal(2.0, 2.5, len(spoken)), 0)
    return values.astype(np.float32)


def make_task(folder: Path, text: Path | None, n_trials: int, order: int) -> dict[str, float]:
    """Write language model, lexicon, logits and references for the decoders to read."""
    vocabulary, lexicon = phoneme_vocabulary(), Lexicon.cmudict()
    lines = sentences(text)
    order_of_lines = np.random.default_rng(0).permutation(len(lines))
    known = [lines[i] for i in order_of_lines if all(w in lexicon for w in lines[i].split())]
    held_out, train = known[:n_trials], known[n_trials:]
    counted = dict.fromkeys(w for line in train for w in line.split())
    words = [*counted, *(w for w in lexicon.words if w not in counted)][:N_WORDS]
    start = time.process_time()
    model = build_ngram(train, order=order, vocabulary=words)
    train_s = time.process_time() - start
    write_arpa(model, folder / "lm.arpa")
    lexicon.restrict(words).write(folder / "lexicon.txt")
    trials = [
        Logits(
            TrialKey("simulated", "A", "2024-01-01", 1, i),
            simulated(sentence, lexicon, vocabulary, i),
            FRAME_S,
            vocabulary,
        )
        for i, sentence in enumerate(held_out)
    ]
    write_logits(folder / "logits.safetensors", trials)
    (folder / "references.json").write_text(json.dumps(held_out))
    errors = sum(
        Levenshtein.distance(lexicon.phonemes(s), greedy(t).tokens)
        for s, t in zip(held_out, trials, strict=True)
    )
    n_phones = sum(len(lexicon.phonemes(s)) for s in held_out)
    spoken = Lexicon.read(folder / "lexicon.txt")
    start = time.process_time()
    graph = build_graph(folder / "lm.arpa", spoken, config=SILENCE, cache=folder / "cache")
    return {
        "n_sentences": len(train),
        "n_ngrams": sum(model.n_ngrams),
        "n_words": len(words),
        "train_ngram_s": round(train_s, 2),
        "build_graph_s": round(time.process_time() - start, 2),
        "graph_arcs": graph.n_arcs,
        "graph_mb": round(graph.n_bytes / 1e6, 1),
        "n_frames": sum(len(t.values) for t in trials),
        "greedy_per": round(errors / n_phones, 4),
    }


def run_ours(folder: Path, name: str) -> dict[str, object]:
    """Decode all trials with the first pass."""
    config = OURS[name]
    start = time.process_time()
    lexicon = Lexicon.read(folder / "lexicon.txt")
    graph = build_graph(folder / "lm.arpa", lexicon, config=SILENCE, cache=folder / "cache")
    search = FirstPass(graph, config)
    trials = list(read_logits(folder / "logits.safetensors"))
    search.decode(trials[0])
    loaded = time.process_time()
    found = [search.decode(trial) for trial in trials]
    return {
        "texts": [nbest.best.text for nbest in found],
        "totals": [total_score(nbest.best.scores, config) for nbest in found],
        "n_best": float(np.mean([len(nbest.hypotheses) for nbest in found])),
        "load_s": loaded - start,
        "seconds": time.process_time() - loaded,
    }


def run_flashlight(folder: Path, name: str) -> dict[str, object]:
    """Decode all trials with flashlight-text and its KenLM, weights translated."""
    from flashlight.lib.text import decoder as fl
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    ours, vocabulary = OURS["default"], phoneme_vocabulary()
    size, size_token, threshold = FLASHLIGHT[name]
    start = time.process_time()
    lexicon = Lexicon.read(folder / "lexicon.txt")
    words, names = list(lexicon), Dictionary()
    for word in words:
        names.add_entry(word)
    lm = KenLM(str(folder / "lm.arpa"), names)
    silence = vocabulary.encode(["SIL"])[0]
    trie = fl.Trie(len(vocabulary), silence)
    state = lm.start(False)
    for index, word in enumerate(words):
        score = lm.score(state, index)[1]
        for phones in lexicon[word]:
            trie.insert(list(vocabulary.encode(phones)), index, score)
    trie.smear(fl.SmearingMode.MAX)
    log_half = math.log(0.5) / ours.acoustic_scale
    options = fl.LexiconDecoderOptions(
        size,
        size_token,
        threshold / ours.acoustic_scale,
        math.log(10) / ours.acoustic_scale,
        log_half,
        -math.inf,
        0.0,
        False,
        fl.CriterionType.CTC,
    )
    search = fl.LexiconDecoder(options, trie, lm, silence, 0, len(words), [], False)
    trials = list(read_logits(folder / "logits.safetensors"))

    def decode(trial: Logits) -> list[fl.DecodeResult]:
        values = trial.values.astype(np.float64)
        log_p = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
        log_p[:, 0] -= ours.blank_penalty
        log_p = np.ascontiguousarray(log_p, dtype=np.float32)
        return search.decode(log_p.ctypes.data, *log_p.shape)

    decode(trials[0])
    loaded = time.process_time()
    found = [decode(trial) for trial in trials]
    seconds = time.process_time() - loaded
    best = [results[0] for results in found]
    return {
        "texts": [" ".join(words[w] for w in result.words if w >= 0) for result in best],
        "totals": [ours.acoustic_scale * (result.score + log_half) for result in best],
        "n_best": float(np.mean([len(results) for results in found])),
        "load_s": loaded - start,
        "seconds": seconds,
    }


def child(kind: str, name: str, folder: Path) -> None:
    """Run one decoder and print what it found as one line of JSON."""
    result = (run_ours if kind == "sylvian" else run_flashlight)(folder, name)
    print(json.dumps(result | {"peak_memory_mb": round(peak_memory_mb(), 1)}))


def peak_memory_mb() -> float:
    """Peak memory of this process; `getrusage` would count the parent's before the exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return math.nan


def measured(kind: str, name: str, folder: Path, n_frames: int) -> dict[str, object]:
    """Run one decoder in its own process."""
    command = [sys.executable, __file__, "--child", kind, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    references = json.loads((folder / "references.json").read_text())
    pairs = [(r.split(), t.split()) for r, t in zip(references, result["texts"], strict=True)]
    errors = sum(Levenshtein.distance(*pair) for pair in pairs)
    return result | {
        "decoder": f"{kind} {name}",
        "us_per_frame": round(1e6 * result["seconds"] / n_frames, 1),
        "real_time_factor": round(result["seconds"] / (n_frames * FRAME_S), 5),
        "wer": round(errors / sum(len(reference) for reference, _ in pairs), 4),
    }


def main() -> None:
    """Parse the command line, run every decoder, print a table and, if asked, JSON last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--order", type=int, default=4)
    parser.add_argument("--text", type=Path, help="one sentence a line, .gz or not")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, name, folder = arguments.child
        child(kind, name, Path(folder))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        task = make_task(folder, arguments.text, arguments.trials, arguments.order)
        print(" ".join(f"{key}={value}" for key, value in task.items()))
        runs = [("sylvian", n) for n in OURS] + [("flashlight", n) for n in FLASHLIGHT]
        rows = [measured(*run, folder, int(task["n_frames"])) for run in runs]
    texts, totals = rows[0]["texts"], np.array(rows[0]["totals"])
    for row in rows:
        same = [a == b for a, b in zip(row.pop("texts"), texts, strict=True)]
        row["same_text"] = round(float(np.mean(same)), 4)
        row["total_gap_nats"] = round(float(np.mean(np.array(row.pop("totals")) - totals)), 3)
        print(" ".join(f"{key}={value}" for key, value in row.items()))
    if arguments.json:
        print(json.dumps({"task": task, "rows": rows}))


if __name__ == "__main__":
    main()
