"""Log-probabilities of given sentences behind a prompt that is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sylvian.models.backbones import Backbone
from sylvian.models.prefixtree import ROOT, PrefixTree, hiding, parcels
from sylvian.models.sentence_search import normalized
from sylvian.models.sequences import Sequences

MAX_NODES = 512  # tokens in a forward pass; their logits are the largest tensor there is


def score_behind(
    llm: Backbone, prompt: Sequences, sentences: Sequence[tuple[int, ...]]
) -> list[float]:
    """Score sentences that all stand behind one prompt.

    The prompt is read once, into a key-value cache. The sentences are laid into prefix trees and
    read behind it, each seeing the prompt and itself; only places that predict something go
    through the output layer, and last tokens, which predict nothing, are not read at all.

    Args:
        llm: The language model, in inference mode.
        prompt: One sequence, without padding.
        sentences: Tokens of each, never none; their ends included where they are to be scored.

    Returns:
        Summed log-probability of the tokens of each sentence, in nats.

    Raises:
        DecodeError: the language model answers with NaN.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    hidden = llm.read_on(prompt.embeds, prompt.real.long(), prompt.positions, cache)
    first = normalized(llm.predict(hidden[0, -1:]))
    n_before = prompt.embeds.shape[1]
    nats = np.zeros(len(sentences))
    for parcel in parcels(sentences, max_nodes=MAX_NODES):
        tree = PrefixTree.grow(ROOT, [sentences[i] for i in parcel])
        rest = _read_tree(llm, tree, n_before, cache)
        log_probs = torch.cat((first, normalized(llm.predict(rest))))
        nats[parcel] = tree.totals(tree.nats(tree.inner, log_probs))
    return [float(own) for own in nats]


def _read_tree(
    llm: Backbone, tree: PrefixTree, n_before: int, cache: Any
) -> Float[Tensor, "inner width"]:
    """Give the last hidden state at the tree's inner nodes; the root is the prompt's last place."""
    inner = tree.inner[1:]
    tokens, positions = tree.tokens[inner], tree.depths[inner] + n_before - 1
    embeds = llm.embed(torch.from_numpy(tokens).to(llm.device).unsqueeze(0))
    if not len(inner):
        return embeds[0]
    prompt = np.ones((len(inner), n_before), dtype=bool)
    sees = np.concatenate((prompt, tree.sees[np.ix_(inner, inner)]), axis=1)
    mask = hiding(sees, dtype=embeds.dtype, device=embeds.device)
    places = torch.from_numpy(positions).to(embeds.device).unsqueeze(0)
    hidden = llm.read_on(embeds, mask, places, cache)[0]
    cache.crop(-len(inner))  # for the next tree
    return hidden
