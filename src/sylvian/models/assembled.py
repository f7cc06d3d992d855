"""An audio-LLM put together from Whisper's encoder, a multimodal projector and any causal LLM.

As a folder it is a model like Qwen2-Audio or Aero: `load_audio_llm` reads what the neural pathway
needs, `read_ear` the rest, to hear real sound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config, dump
from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.artefact import check_tensors, read_weights, replaced_folder
from sylvian.models.prompts import AUDIO_TAGS

KIND = "sylvian_audio_llm"
"""`model_type` in config.json."""
EAR, PROJECTOR, LANGUAGE = "audio_tower.", "multi_modal_projector.", "language_model."
WEIGHTS = "model.safetensors"
_FEWEST_S = 1e-5


class AssemblyConfig(Config):
    """What stands between the audio encoder and the language model."""

    frames: int = Field(
        4, gt=0, description="frames of 20 ms joined into one token: 12.5 tokens a second"
    )
    hidden: int = Field(1024, gt=0, description="width between the projector's two layers")


class AssembledProjector(nn.Module):
    """Two linear layers into the language model's space, and the size its embeddings have.

    Args:
        in_width: Of the joined frames.
        hidden: Between the layers.
        out_width: Of the language model.
    """

    def __init__(self, in_width: int, hidden: int, out_width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, hidden)
        self.linear_2 = nn.Linear(hidden, out_width)
        self.norm = nn.RMSNorm(out_width, eps=_FEWEST_S)

    def forward(self, sound: Float[Tensor, "*places sound"]) -> Float[Tensor, "*places width"]:
        """Project token by token."""
        tokens: Tensor = self.norm(self.linear_2(functional.gelu(self.linear_1(sound))))
        return tokens


class Ear(nn.Module):
    """Whisper's encoder, its frames joined and standardised: what the projector expects.

    Args:
        encoder: From `read_whisper`.
        frames: How many are joined.

    Attributes:
        mean: Of the joined frames over some speech; zero until `settle`.
        std: Their standard deviation; one until `settle`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: nn.Module, frames: int) -> None:
        super().__init__()
        own: Any = encoder
        self.encoder, self.frames = encoder, frames
        self.width: int = own.config.d_model * frames
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("std", torch.ones(self.width))

    def settle(self, heard: list[Tensor]) -> None:
        """Take mean and standard deviation from the encoder's frames of some recordings."""
        joined = torch.cat([self._joined(own) for own in heard])
        self.mean.copy_(joined.mean(0))
        self.std.copy_(joined.std(0, correction=0).clamp(min=_FEWEST_S))

    def join(self, heard: Float[Tensor, "frames width"]) -> Float[Tensor, "tokens joined"]:
        """Join and standardise the encoder's frames; the last, incomplete group is left out."""
        return (self._joined(heard) - self.mean) / self.std

    def _joined(self, heard: Tensor) -> Tensor:
        whole = len(heard) // self.frames
        return heard[: whole * self.frames].float().reshape(whole, self.width)


def build_assembled(
    config: AssemblyConfig, in_width: int, embedding: nn.Embedding, *, seed: int = 0
) -> AssembledProjector:
    """Build a fresh projector whose tokens are as large as a language model's embeddings.

    Args:
        config: Sizes.
        in_width: Of the joined frames.
        embedding: Of the language model.
        seed: Decides the initial weights; torch's own random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = AssembledProjector(in_width, config.hidden, embedding.embedding_dim)
    typical = embedding.weight.detach().float().pow(2).mean(1).sqrt().median()
    nn.init.constant_(built.norm.weight, float(typical))
    return built


def with_tags(causal: Any, tokenizer: Any) -> None:
    """Give a language model the tokens around an audio span, in place; each the average embedding.

    Raises:
        ConfigError: its tokenizer has tokens without an embedding.
    """
    tokenizer.add_special_tokens({"additional_special_tokens": list(AUDIO_TAGS)})
    rows = causal.get_input_embeddings().num_embeddings
    numbers = [tokenizer.get_vocab()[tag] for tag in AUDIO_TAGS]
    if max(tokenizer.get_vocab().values()) >= rows + len(AUDIO_TAGS):
        raise ConfigError(
            f"the tokenizer has {len(tokenizer)} tokens, the language model embeds {rows}; use the "
            "tokenizer that belongs to it"
        )
    causal.resize_token_embeddings(max(rows, *(n + 1 for n in numbers)), mean_resizing=False)
    with torch.no_grad():
        for matrix in {causal.get_input_embeddings().weight, causal.get_output_embeddings().weight}:
            matrix[numbers] = matrix[:rows].mean(0).half().to(matrix)


def save_assembled(
    folder: Path,
    ear: Ear,
    projector: AssembledProjector,
    causal: Any,
    tokenizer: Any,
    *,
    files: Mapping[str, str],
) -> None:
    """Write everything as one folder; it appears whole or not.

    Weights that float16 holds exactly are written in it, the projector in float32.

    Args:
        folder: Replaced if it exists.
        ear: The audio encoder.
        projector: The multimodal projector.
        causal: The language model, without adapters.
        tokenizer: Its tokenizer, with the audio tags.
        files: Text files to put beside, by name: what it was made from.
    """
    from safetensors.torch import save_file

    whole: Any = ear.encoder
    config = AssemblyConfig(frames=ear.frames, hidden=projector.linear_1.out_features)
    described = {
        "model_type": KIND,
        "audio_config": whole.config.to_dict(),
        "text_config": causal.config.to_dict(),
        "assembly": dump(config),
    }
    tied = {"lm_head.weight"} if causal.config.tie_word_embeddings else set()
    tensors = {f"{EAR}{n}": t for n, t in ear.state_dict().items()}
    tensors |= {f"{PROJECTOR}{n}": t for n, t in projector.state_dict().items()}
    language = {n: t for n, t in causal.state_dict().items() if n not in tied}
    exact = all(torch.equal(t.half().to(t), t) for t in language.values())
    tensors |= {f"{LANGUAGE}{n}": t.half() if exact else t for n, t in language.items()}
    with replaced_folder(folder) as fresh:
        tokenizer.save_pretrained(fresh)
        save_file({n: t.contiguous() for n, t in tensors.items()}, fresh / WEIGHTS)
        (fresh / "config.json").write_text(json.dumps(described, indent=2) + "\n")
        for name, content in files.items():
            (fresh / name).write_text(content, encoding="utf-8")


def empty_projector(described: dict[str, Any], width: int, path: Path) -> AssembledProjector:
    """Build the projector that a config.json asks for.

    Args:
        described: What config.json holds.
        width: Of the language model.
        path: Begins the message of an error.

    Raises:
        CheckpointError: its sizes are missing or make no sense.
    """
    try:
        config = AssemblyConfig.model_validate(described["assembly"])
        in_width = int(described["audio_config"]["d_model"]) * config.frames
    except (KeyError, TypeError, ValueError) as failure:
        raise CheckpointError(f"{path}: not as sylvian writes it ({failure})") from None
    return AssembledProjector(in_width, config.hidden, width)


def read_ear(folder: Path) -> Ear:
    """Read the audio encoder out of a folder that `save_assembled` wrote.

    Raises:
        CheckpointError: it is no such folder, or damaged.
    """
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    path = folder / "config.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        frames = AssemblyConfig.model_validate(described["assembly"]).frames
        encoder = WhisperEncoder(WhisperConfig(**described["audio_config"]))
    except (OSError, KeyError, TypeError, ValueError) as failure:
        raise CheckpointError(f"{path}: not as sylvian writes it ({failure})") from None
    ear = Ear(encoder, frames)
    tensors = read_weights(folder / WEIGHTS)
    own = {n.removeprefix(EAR): t for n, t in tensors.items() if n.startswith(EAR)}
    check_tensors(ear.state_dict(), own, folder / WEIGHTS)
    ear.load_state_dict(own)
    return ear.eval().requires_grad_(False)
