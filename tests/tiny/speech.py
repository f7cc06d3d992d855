"""A tiny encoder that speaks to a tiny language model, and recordings of noise."""

from typing import Any

import torch

from sylvian.models.alignment import AlignmentConfig
from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.projectors import MlpConfig
from sylvian.models.speechllm import SpeechLlm, SpeechLlmConfig, build_speech_llm
from sylvian.models.transformer import TransformerConfig
from sylvian.text import Vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey
from tiny.llms import backbone, tokenizer

N_BINS = (61, 7, 40, 3, 33)
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))
ENCODER = TransformerConfig(width=8, depth=1, heads=2, head_width=4, feedforward=8)
SESSIONS = [SessionSpec(path="toy/T15/2023-08-11", participant="toy/T15", n_channels=3)]


def phoneme_model(seed: int = 0) -> CtcModel:
    return CtcModel(build_encoder(ENCODER, SESSIONS, seed=seed), VOCABULARY, seed=seed)


def settings(modality: str = "neural", **changes: Any) -> SpeechLlmConfig:
    known: dict[str, Any] = {
        "projector": MlpConfig(hidden=16),
        "modality": modality,
        "alignment": AlignmentConfig(width=8),
    }
    return SpeechLlmConfig(**(known | changes))


def build(name: str = "qwen2", modality: str = "neural", **changes: Any) -> SpeechLlm:
    config = settings(modality, **changes)
    built = build_speech_llm(phoneme_model(), backbone(name), tokenizer(), config, seed=3)
    stir(built)
    return built.eval()


@torch.no_grad()
def stir(speech: SpeechLlm) -> None:
    """Give fresh adapters, which change nothing, something to say."""
    for label, parameter in speech.named_parameters():
        if "lora_B" in label:
            parameter.normal_(std=0.2, generator=torch.Generator().manual_seed(1))


def batch(lengths: tuple[int, ...] = N_BINS, *, first: int = 0, labelled: bool = False) -> Batch:
    trials = []
    for number, n_bins in enumerate(lengths, first):
        key = TrialKey("toy", "T15", "2023-08-11", 1, number)
        features = torch.randn(n_bins, 3, generator=torch.Generator().manual_seed(n_bins)).numpy()
        info = TrialInfo(key, "train", n_bins, phonemes=("AA",) if labelled else None)
        trials.append(Trial(info, features))
    return make_batch(trials, session_index={SESSIONS[0].path: 0}, vocabulary=VOCABULARY)
