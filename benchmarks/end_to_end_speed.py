"""How long a sentence of 16 s takes end to end, beside the cascade, and scoring 100 candidates.

In every round each task runs once, in turn, so that whatever else the machine does falls on all of
them; ratios are medians over rounds. `end to end` goes from bins to text: encoder, projector,
prompt with 160 neural tokens, then greedy search to a fixed number of tokens (as many as a
sentence of 12 words has, its end included; untrained weights would not stop by themselves).
`cascade` is the same encoder with its CTC head and the first pass over a 3-gram, whose logits are
simulated from a sentence, because noise would be searched much longer. `score alike` and `score
unrelated` give 100 candidates of 12 words their log-probability behind the same recording:
variants of one sentence, and sentences that share hardly a beginning.

    OMP_NUM_THREADS=2 python benchmarks/end_to_end_speed.py [--llm smollm2] [--rounds 5] [--json]

`--llm qwen2.5-1.5b` is random weights of that size; time does not depend on their values.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before NumPy is imported

import numpy as np
import torch

from first_pass import sentences, simulated
from rescoring_speed import N_WORDS, alike, unrelated
from sylvian.decode.beam import FirstPass
from sylvian.decode.graph import build_graph
from sylvian.decode.ngram import build_ngram
from sylvian.errors import SylvianError
from sylvian.models.adapters import fold_adapters
from sylvian.models.backbones import backbone_of
from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.generation import generate, score_sentences
from sylvian.models.hub import load_causal
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm, SpeechLlmConfig, build_speech_llm
from sylvian.models.transformer import TransformerConfig
from sylvian.text import Lexicon, phoneme_vocabulary
from sylvian.types import Logits, Trial, TrialInfo, TrialKey

N_BINS, N_CHANNELS, FRAME_S = 800, 512, 0.1
SESSION = "bench/P/2030-01-01"
KEY = TrialKey("bench", "P", "2030-01-01", 1, 0)
QWEN25_15B = {
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
Task = Callable[[], object]


@dataclass(frozen=True)
class Setup:
    """What is measured, and on what."""

    llm: str
    device: str
    dtype: str
    adapters: str
    n_sentences: int
    n_candidates: int


def speaking(setup: Setup, phonemes: CtcModel) -> SpeechLlm:
    """Build the network around an encoder, untrained but for the language model."""
    causal, tokenizer = load_causal("smollm2", dtype=setup.dtype, device="cpu")
    if setup.llm == "qwen2.5-1.5b":
        from transformers import Qwen2Config, Qwen2ForCausalLM

        with torch.device(setup.device):
            causal = Qwen2ForCausalLM(Qwen2Config(**QWEN25_15B)).to(causal.dtype)
    elif setup.llm != "smollm2":
        causal, tokenizer = load_causal(setup.llm, dtype=setup.dtype, device=setup.device)
    config = SpeechLlmConfig(lora=None) if setup.adapters == "none" else SpeechLlmConfig()
    speech = build_speech_llm(phonemes, backbone_of(causal), tokenizer, config)
    if setup.adapters == "folded":
        fold_adapters(speech.llm)
    return speech.to(setup.device).eval()


def recording(device: str) -> Batch:
    """Make up a trial of 16 s."""
    features = np.random.default_rng(0).standard_normal((N_BINS, N_CHANNELS)).astype(np.float32)
    trial = Trial(TrialInfo(KEY, "test", N_BINS), features)
    made = make_batch([trial], session_index={SESSION: 0}, vocabulary=phoneme_vocabulary())
    return made.to(torch.device(device))


def first_pass(lines: list[str], sentence: str) -> Task:
    """Prepare the search of 160 frames that say a sentence."""
    lexicon, vocabulary = Lexicon.cmudict(), phoneme_vocabulary()
    model = build_ngram([s for s in lines if all(w in lexicon for w in s.split())], order=3)
    search = FirstPass(build_graph(model, lexicon))
    values = simulated(sentence, lexicon, vocabulary, 0)
    rest = N_BINS // 5 - len(values)
    silent = simulated("", lexicon, vocabulary, 1)[:1].repeat(max(rest, 0), axis=0)
    frames = np.concatenate((values, silent))[: N_BINS // 5]
    return lambda: search.decode(Logits(KEY, frames, FRAME_S, vocabulary))


def tasks(setup: Setup) -> tuple[dict[str, Task], dict[str, Any]]:
    """Prepare everything; what is said beside the times comes with it."""
    lines = sentences(None)[: setup.n_sentences]
    lists = {
        "score alike": alike(lines, np.random.default_rng(0))[: setup.n_candidates],
        "score unrelated": unrelated(lines)[: setup.n_candidates],
    }
    spoken = next(s for s in lines if len(s.split()) == N_WORDS)
    specs = [SessionSpec(path=SESSION, participant="bench/P", n_channels=N_CHANNELS)]
    phonemes = CtcModel(build_encoder(TransformerConfig(), specs, seed=0), phoneme_vocabulary())
    speech = speaking(setup, phonemes.to(setup.device).eval())
    batch, search = recording(setup.device), first_pass(lines, spoken)
    n_tokens = len(speech.prompt.encode(spoken)) + 1
    greedy = GreedyConfig(most_tokens=n_tokens)

    @torch.no_grad()
    def encode() -> torch.Tensor:
        return phonemes(batch)[0].cpu()

    @torch.no_grad()
    def neural_tokens() -> int:
        return int(speech.listen(batch).n_tokens[0])

    def scoring(texts: list[str]) -> Task:
        return lambda: score_sentences(speech, batch, [texts])

    said = generate(speech, batch, greedy)[0].candidates[0]
    facts = {
        "n_neural_tokens": neural_tokens(),
        "n_tokens": len(said.tokens) + said.finished,
        "n_parameters": sum(p.numel() for p in speech.llm.parameters()),
        "n_candidates": [len(texts) for texts in lists.values()],
    }
    made: dict[str, Task] = {
        "end to end": lambda: generate(speech, batch, greedy),
        "cascade": lambda: (encode(), search()),
    }
    return made | {name: scoring(texts) for name, texts in lists.items()}, facts


def timed(made: dict[str, Task], *, rounds: int, device: str) -> dict[str, list[list[float]]]:
    """Run every task once a round; the first round is not counted.

    Returns:
        Task -> seconds and processor seconds of each round.
    """
    took: dict[str, list[list[float]]] = {name: [] for name in made}
    for number in range(rounds + 1):
        for name, task in made.items():
            began, used = time.perf_counter(), time.process_time()
            task()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number:
                took[name].append([time.perf_counter() - began, time.process_time() - used])
    return took


def summary(took: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Give medians and least values, and the ratio to the cascade, round by round."""
    rows: dict[str, Any] = {}
    for name, rounds in took.items():
        wall, cpu = zip(*rounds, strict=True)
        ratios = [own[0] / other[0] for own, other in zip(rounds, took["cascade"], strict=True)]
        rows[name] = {
            "seconds": statistics.median(wall),
            "seconds_least": min(wall),
            "cpu_seconds": statistics.median(cpu),
            "cpu_seconds_least": min(cpu),
            "ratio_to_cascade": statistics.median(ratios),
        }
    return rows


def main() -> int:
    """Measure, print, and say in one sentence what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", default="smollm2", help="smollm2, qwen2.5-1.5b, or a place")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16")
    parser.add_argument("--adapters", choices=["kept", "folded", "none"], default="kept")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 2)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=20_000, help="text of the 3-gram")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    setup = Setup(args.llm, args.device, args.dtype, args.adapters, args.sentences, args.candidates)
    load_before = os.getloadavg()[0]
    try:
        made, facts = tasks(setup)
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    rows = summary(timed(made, rounds=args.rounds, device=args.device))
    loads = [load_before, os.getloadavg()[0]]
    report = vars(args) | facts | {"load_average": loads, "rows": rows}
    print(
        f"{args.llm} ({facts['n_parameters'] / 1e6:.0f} M), {args.dtype} on {args.device}, "
        f"adapters {args.adapters}, "
        f"{args.threads} threads, load {loads[0]:.1f} to {loads[1]:.1f}; "
        f"{facts['n_neural_tokens']} neural tokens, {facts['n_tokens']} generated"
    )
    for name, row in rows.items():
        print(
            f"  {name:16} {row['seconds']:.2f} s (least {row['seconds_least']:.2f}, processor "
            f"{row['cpu_seconds']:.2f}, least {row['cpu_seconds_least']:.2f}), "
            f"{row['ratio_to_cascade']:.2f} times the cascade"
        )
    if args.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
