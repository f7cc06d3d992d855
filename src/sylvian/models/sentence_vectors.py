"""Sentences as a language model represents them: its hidden states, averaged over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from sylvian.errors import ConfigError, DataError, DecodeError
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOGETHER = 1024  # tokens in a forward pass


@torch.inference_mode()
def sentence_vectors(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    layer: int = -1,
    progress: Progress = silent,
) -> Float32[np.ndarray, "sentences width"]:
    """Average a layer's hidden states over the tokens of each sentence.

    Sentences of as many tokens run together, without padding; no token is put before them.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        texts: Sentences with at least one token each.
        layer: 0 is the token embeddings, 1 the first block's output, -1 the last.
        progress: Told how far it is.

    Raises:
        DataError: a sentence is empty.
        ConfigError: the model has no such layer.
        DecodeError: a hidden state is not finite.

    Source: paper.md section 8; layer and pooling are not published.
    """
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    empty = [place for place, own in enumerate(ids) if not own]
    if empty:
        raise DataError(f"sentence {empty[0]} ({texts[empty[0]]!r}) has no tokens; leave it out")
    by_length: dict[int, list[int]] = {}
    for place, own in enumerate(ids):
        by_length.setdefault(len(own), []).append(place)
    vectors: list[Any] = [None] * len(texts)
    done = 0
    for length, places in sorted(by_length.items()):
        step = max(1, TOGETHER // length)
        for start in range(0, len(places), step):
            chunk = places[start : start + step]
            means = _means(model, [ids[place] for place in chunk], layer)
            for place, mean in zip(chunk, means, strict=True):
                vectors[place] = mean
            done += len(chunk)
            progress("language model", done, len(texts))
    found = np.stack(vectors)
    if not np.isfinite(found).all():
        worst = texts[int(np.argmin(np.isfinite(found).all(axis=1)))]
        raise DecodeError(f"the vector of {worst!r} is not finite; open the model in float32")
    return found


def _means(
    model: nn.Module, ids: Sequence[Sequence[int]], layer: int
) -> Float32[np.ndarray, "sentences width"]:
    call: Any = model  # transformers is typed in parts
    tokens = torch.tensor(ids, device=next(model.parameters()).device)
    states = call(input_ids=tokens, output_hidden_states=True, use_cache=False).hidden_states
    if not -len(states) <= layer < len(states):
        raise ConfigError(f"layer {layer}: the language model has {len(states) - 1} and embeddings")
    return np.asarray(states[layer].float().mean(dim=1).cpu().numpy())
