"""Sentences from one differentiable network: BIT's end-to-end system as a recipe."""

from __future__ import annotations

from sylvian.models.opening import BackboneConfig
from sylvian.models.projectors import MlpConfig
from sylvian.models.speechllm import SpeechLlmConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.recipes.endtoend import EndToEnd
from sylvian.recipes.recipe import Recipe
from sylvian.recipes.start import Phonemes
from sylvian.recipes.transfer import all_species
from sylvian.train.augment import AugmentConfig
from sylvian.train.config import TrainConfig

AUDIO_LLM = "lmms-lab/Aero-1-Audio-1.5B"


def end_to_end(corpus: str) -> Recipe:
    """Pretrain, learn phonemes, then sentences with a language model (BIT end-to-end, Table 1).

    Encoder, projector, adapters and aligner learn together; rate, decay and passes are Table 13's
    (paper.md section 6.6), with neither masking nor noise. The backbone is the audio-LLM with which
    the paper's '24 results were made; `end_to_end.llm.name=smollm2` runs without a hub.
    """
    phonemes = all_species(corpus)
    if corpus == "synthetic":
        return _small(phonemes)
    return phonemes.model_copy(
        update={
            "name": "end_to_end",
            "start": Phonemes(),
            "encoder": _unmasked(phonemes),
            "augment": AugmentConfig(noise_std=0.0, offset_std=0.0),
            "train": TrainConfig(
                epochs=150,
                batch_size=16 if corpus == "willett2023" else 8,
                learning_rate=5e-5,
                precision="bf16",
            ),
            "decode": phonemes.decode.model_copy(update={"end_to_end_weight": 1.0}),
            "end_to_end": EndToEnd(llm=BackboneConfig(name=AUDIO_LLM)),
        }
    )


def _unmasked(recipe: Recipe) -> TransformerConfig:
    assert isinstance(recipe.encoder, TransformerConfig)
    return recipe.encoder.model_copy(update={"mask_ratio": 0.0})


def _small(phonemes: Recipe) -> Recipe:
    """Give what simulated participants allow on two cores in some minutes."""
    return phonemes.model_copy(
        update={
            "name": "end_to_end",
            "start": Phonemes(),
            "encoder": _unmasked(phonemes),
            "train": TrainConfig(epochs=12, batch_size=16, learning_rate=1e-3),
            "decode": phonemes.decode.model_copy(update={"end_to_end_weight": 1.0}),
            "end_to_end": EndToEnd(speech=SpeechLlmConfig(projector=MlpConfig(hidden=256))),
        }
    )
