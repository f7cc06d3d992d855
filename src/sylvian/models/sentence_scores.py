"""Log-probabilities of given sentences behind a prompt that is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sylvian.errors import DecodeError
from sylvian.models.backbones import Backbone
from sylvian.models.prefixtree import ROOT, PrefixTree, hiding, parcels
from sylvian.models.sentence_search import normalized
from sylvian.models.sequences import Sequences, side_by_side

MAX_NODES = 512  # tokens in a forward pass; their logits are the largest tensor there is
ALIKE = 1e-3  # nats a sentence may change in company; float32 changes it by 1e-5
_PROBE = ((1, 2, 3, 4), (1, 2, 5, 4), (6, 3, 4))
_REFUSALS = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)


def score_behind(
    llm: Backbone, prompt: Sequences, sentences: Sequence[tuple[int, ...]]
) -> list[float]:
    """Score sentences that all stand behind one prompt.

    The prompt is read once, into a key-value cache. The sentences are laid into prefix trees and
    read behind it, each seeing the prompt and itself; only places that predict something go
    through the output layer, and last tokens, which predict nothing, are not read at all.

    A tree needs a mask of its own, which takes the place of the model's: sentences are read one by
    one where the model makes another use of it (tried once), or where some layer's window is
    narrower than prompt and sentence.

    Args:
        llm: The language model, in inference mode.
        prompt: One sequence, without padding.
        sentences: Tokens of each, never none; their ends included where they are to be scored.

    Returns:
        Summed log-probability of the tokens of each sentence, in nats.

    Raises:
        DecodeError: the language model answers with NaN, or cannot read on behind a prompt.
    """
    if llm.reads_trees is None:
        llm.reads_trees = _can_read_trees(llm)
    longest = prompt.embeds.shape[1] + max(map(len, sentences), default=0)
    trees = llm.reads_trees and (llm.window is None or longest <= llm.window)
    return [float(own) for own in _score(llm, prompt, sentences, trees=trees)]


def _score(
    llm: Backbone, prompt: Sequences, sentences: Sequence[tuple[int, ...]], *, trees: bool
) -> Float64[np.ndarray, " sentences"]:
    from transformers import DynamicCache

    cache = DynamicCache()
    hidden = llm.read_on(prompt.embeds, prompt.real.long(), prompt.positions, cache)
    first = normalized(llm.predict(hidden[0, -1:]))
    n_before = prompt.embeds.shape[1]
    nats = np.zeros(len(sentences))
    for parcel in parcels(sentences, max_nodes=MAX_NODES if trees else 1):
        tree = PrefixTree.grow(ROOT, [sentences[i] for i in parcel])
        rest = _read_tree(llm, tree, n_before, cache, masked=trees)
        log_probs = torch.cat((first, normalized(llm.predict(rest))))
        nats[parcel] = tree.totals(tree.nats(tree.inner, log_probs))
    return nats


def _read_tree(
    llm: Backbone, tree: PrefixTree, n_before: int, cache: Any, *, masked: bool
) -> Float[Tensor, "inner width"]:
    """Give the last hidden state at the tree's inner nodes; the root is the prompt's last place.

    A single sentence needs no mask of its own.
    """
    inner = tree.inner[1:]
    tokens, positions = tree.tokens[inner], tree.depths[inner] + n_before - 1
    embeds = llm.embed(torch.from_numpy(tokens).to(llm.device).unsqueeze(0))
    if not len(inner):
        return embeds[0]
    places = torch.from_numpy(positions).to(embeds.device).unsqueeze(0)
    mask = torch.ones((1, n_before + len(inner)), dtype=torch.long, device=embeds.device)
    if masked:
        prompt = np.ones((len(inner), n_before), dtype=bool)
        sees = np.concatenate((prompt, tree.sees[np.ix_(inner, inner)]), axis=1)
        mask = hiding(sees, dtype=embeds.dtype, device=embeds.device)
    hidden = llm.read_on(embeds, mask, places, cache)[0]
    cache.crop(-len(inner))  # for the next tree
    return hidden


def _can_read_trees(llm: Backbone) -> bool:
    """Try a few sentences together and one by one.

    Raises:
        DecodeError: even one by one they cannot be read behind a prompt.
    """
    prompt = side_by_side([llm.embed(torch.arange(1, 5, device=llm.device))], pad="left")
    try:
        alone = _score(llm, prompt, _PROBE, trees=False)
    except _REFUSALS as failure:
        raise DecodeError(
            f"{llm.identity.architecture} cannot read on behind a prompt that it has read "
            f"({failure}); use another language model, such as Qwen2.5, Qwen3, Llama or SmolLM2"
        ) from None
    try:
        together = _score(llm, prompt, _PROBE, trees=True)
    except _REFUSALS:  # not the mask it is used to
        return False
    exact = llm.dtype == torch.float32 and not torch.is_autocast_enabled(llm.device.type)
    return bool(np.abs(together - alone).max() < (ALIKE if exact else 1.0))
