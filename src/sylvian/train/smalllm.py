"""Teach a small causal language model whole sentences, by batches of equal length."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional

from sylvian.errors import ConfigError, DataError
from sylvian.models.prompts import AUDIO_TAGS, Modality, Prompt, PromptConfig
from sylvian.models.smalllm import LONGEST, SmallLmConfig
from sylvian.train.spans import Spans

_WARM = 0.05  # share of the updates
_CLIP = 1.0
_LOGITS = 2**25  # at a time, 128 MiB
_PROMPTED = 256  # tokens of sentences at a time where prompts, ten times as long, stand before them

Row = list[int]
Places = Int64[np.ndarray, " rows"]
Rows = Int64[np.ndarray, "rows tokens"]


def fit_small_lm(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[str],
    config: SmallLmConfig,
    *,
    told: Callable[[int, int, float], None] = lambda step, total, nats: None,
) -> int:
    """Train a model in place, on the device it is on.

    Args:
        model: A causal language model of transformers, left in inference mode.
        tokenizer: Its tokenizer.
        sentences: Normalised; a sentence counts as often as it occurs.
        config: How it learns.
        told: Called after every update with its number, that of all, and the loss (nats a token).

    Returns:
        How many updates there were.

    Raises:
        ConfigError: the loss is no longer finite.
        DataError: a sentence is longer than the model reads.

    Why here: a minute's training of one file needs no checkpoints, loggers or callbacks.
    """
    rows = encode(tokenizer, sentences)
    wordings = _wordings(tokenizer, model.get_input_embeddings().num_embeddings)
    spans = Spans(tokenizer, sentences, seed=config.seed) if config.heard else None
    rng = np.random.default_rng(config.seed)
    plan = list(itertools.islice(_plan(rows, config, rng), config.max_steps))
    optimizer, total = _optimizer(model, config), len(plan)
    model.train()
    for step, batch in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = config.rate * _rate(step, total)
        before, after = wordings[rng.integers(len(wordings))]
        chance, prompts = rng.random(), None
        if spans is not None and chance < config.heard:
            prompts = [[*before, *spans.draw(place), *after] for place in batch.tolist()]
        elif chance < config.heard + config.prompted:
            prompts = [[*before, *after]] * len(batch)
        with _products(model, config):
            loss: Any = _nats(model, _stacked(rows, batch), prompts).mean()  # typed in parts
        if not math.isfinite(nats := loss.item()):
            raise ConfigError(
                f"the loss of update {step + 1} is {nats}; choose a smaller learning_rate than "
                f"{config.rate:g}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        told(step + 1, total, nats)
    model.eval()
    return total


@torch.inference_mode()
def sentence_nats(
    model: Any, tokenizer: Any, sentences: Sequence[str], *, heard: int | None = None
) -> Float64[np.ndarray, " sentences"]:
    """Give the log-probability of each sentence and its end, in nats.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer.
        sentences: Normalised.
        heard: Seed of what is misheard, for sentences behind the end-to-end model's prompt with
            their own phonemes in its span; None: at the start of a text.
    """
    model.eval()
    rows = encode(tokenizer, sentences)
    nats = np.zeros(len(rows))
    n_embeddings = model.get_input_embeddings().num_embeddings
    most, prompts = max(_LOGITS // n_embeddings, 1), None
    if heard is not None:
        before, after = _wordings(tokenizer, n_embeddings)[0]
        spans = Spans(tokenizer, sentences, seed=heard)
        prompts = [[*before, *spans.draw(place), *after] for place in range(len(rows))]
        most = min(most, _PROMPTED)
    for places in _batches(rows, tokens=most):
        own = [prompts[place] for place in places.tolist()] if prompts is not None else None
        lost = _nats(model, _stacked(rows, places), own).sum(1)
        nats[places] = -lost.double().cpu().numpy()
    return nats


def encode(tokenizer: Any, sentences: Sequence[str]) -> list[Row]:
    """Give the tokens of sentences between start and end.

    Raises:
        DataError: a sentence is longer than the model reads.
    """
    told = [f" {sentence}" for sentence in sentences]  # as they stand behind a prompt
    ids = tokenizer(told, add_special_tokens=False)["input_ids"]
    longest = max(range(len(ids)), key=lambda i: len(ids[i]))
    if len(ids[longest]) + 2 > LONGEST:
        raise DataError(
            f"{sentences[longest][:40]!r}... has {len(ids[longest])} tokens, the model reads at "
            f"most {LONGEST - 2}; give one sentence a line"
        )
    start = tokenizer.bos_token_id
    start = tokenizer.eos_token_id if start is None else start
    return [[start, *row, tokenizer.eos_token_id] for row in ids]


def _wordings(tokenizer: Any, n_embeddings: int) -> list[tuple[Row, Row]]:
    """Give the tokens of the end-to-end model's own prompts before and after the span.

    That of the audio modality is left out where the tokenizer has no sounds to speak of.
    """
    spoken = set(AUDIO_TAGS) <= set(tokenizer.get_vocab())
    modalities: tuple[Modality, ...] = ("neural", "audio") if spoken else ("neural",)
    prompts = [
        Prompt(PromptConfig(), tokenizer, n_embeddings=n_embeddings, modality=modality)
        for modality in modalities
    ]
    return [([*prompt.before], [*prompt.after]) for prompt in prompts]


def _nats(model: Any, batch: Rows, prompts: Sequence[Row] | None) -> Tensor:
    """Give the cross-entropy of all that follows the start, or the prompts in its place."""
    device = next(model.parameters()).device
    rows = torch.from_numpy(batch).to(device)
    before, real = rows[:, :1], None
    if prompts is not None:
        before, real = (part.to(device) for part in _padded(prompts))
    read = torch.cat((before, rows[:, 1:-1]), dim=1)
    told: dict[str, Tensor] = {}
    if real is not None and not bool(real.all()):  # without a mask attention is faster
        mask = functional.pad(real, (0, read.shape[1] - real.shape[1]), value=1)
        told = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    hidden = model.get_decoder()(input_ids=read, use_cache=False, **told).last_hidden_state
    logits = model.get_output_embeddings()(hidden[:, before.shape[1] - 1 :]).float()
    wanted = rows[:, 1:]
    nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return nats.view_as(wanted)


def _padded(prompts: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Put prompts side by side, padded on the left; and say what is real."""
    longest = max(map(len, prompts))
    rows = [[0] * (longest - len(own)) + own for own in prompts]
    real = [[0] * (longest - len(own)) + [1] * len(own) for own in prompts]
    return torch.tensor(rows), torch.tensor(real)


def _plan(rows: Sequence[Row], config: SmallLmConfig, rng: np.random.Generator) -> Iterator[Places]:
    """Draw the batches of all epochs."""
    for _ in range(config.epochs):
        order = rng.permutation(len(rows))
        batches = list(_batches([rows[i] for i in order], tokens=config.batch_tokens))
        for i in rng.permutation(len(batches)):
            yield order[batches[i]]


def _batches(rows: Sequence[Row], *, tokens: int) -> Iterator[Places]:
    """Put rows of equal length together, by their places: there is no padding."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_length[len(row)].append(place)
    for length, alike in sorted(by_length.items()):
        many = max(1, tokens // length)
        for first in range(0, len(alike), many):
            yield np.array(alike[first : first + many])


def _stacked(rows: Sequence[Row], places: Places) -> Rows:
    return np.array([rows[i] for i in places], dtype=np.int64)


def _products(model: Any, config: SmallLmConfig) -> torch.autocast:
    kind = next(model.parameters()).device.type
    return torch.autocast(kind, torch.bfloat16, enabled=config.precision == "bfloat16")


def _optimizer(model: Any, config: SmallLmConfig) -> torch.optim.AdamW:
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99), fused=True)


def _rate(step: int, total: int) -> float:
    warm = max(1, round(_WARM * total))
    return min((step + 1) / warm, (total - step) / max(1, total - warm))
