"""Teach a language model to write sentences from phonemes with simulated errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field

from sylvian.config import Config
from sylvian.evaluate.phoneme_errors import PhonemeErrors
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.text.soundalikes import Soundalikes
from sylvian.types import Progress, silent

_POOL = 8  # batches among which neighbours of like length are sought
Spoken = tuple[str, tuple[str, ...]]
"""A normalised sentence and its true phonemes."""


class PhonemeLlmTraining(Config):
    """How a `PhonemeLlm` learns."""

    steps: int = Field(150, gt=0, description="updates")
    batch: int = Field(64, gt=0, description="sentences an update")
    rate: float = Field(1e-4, gt=0, description="highest learning rate of the language model")
    sound_rate: float = Field(2e-3, gt=0, description="highest learning rate of the rest")
    warmup: int = Field(15, ge=0, description="updates until the highest rate; then linearly to 0")
    weight_decay: float = Field(0.01, ge=0, description="on matrices")
    clip: float = Field(1.0, gt=0, description="longest gradient")
    mixed: bool = Field(True, description="bfloat16 products of float32 weights")
    seed: int = Field(0, ge=0, description="decides order and errors")


@dataclass(frozen=True, slots=True)
class Lesson:
    """Sentences and what was heard of them."""

    sentences: list[str]
    heard: list[tuple[str, ...]]


def fit_phoneme_llm(
    model: PhonemeLlm,
    spoken: Sequence[Spoken],
    errors: PhonemeErrors,
    sounds: Soundalikes,
    *,
    config: PhonemeLlmTraining,
    progress: Progress = silent,
) -> list[float]:
    """Train on phonemes misheard anew at every visit.

    Args:
        model: Changed in place; back in inference mode afterwards.
        spoken: What may be said; a sentence that comes twice is seen twice as often.
        errors: What the errors are drawn from.
        sounds: Those that the model's words were taken from.
        config: How.
        progress: Told the updates done.

    Returns:
        Loss of every update, nats a token.
    """
    optimizer = torch.optim.AdamW(_groups(model, config), betas=(0.9, 0.98), fused=True)
    highest = [group["lr"] for group in optimizer.param_groups]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    losses = []
    model.train()
    for step, lesson in enumerate(lessons(spoken, errors, config)):
        for group, rate in zip(optimizer.param_groups, highest, strict=True):
            group["lr"] = rate * _schedule(step, config)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.mixed):
            total, n = model.loss(sounds.listen(lesson.heard), lesson.sentences)
        torch.autograd.backward(total / n)
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total.item() / n)
        recent = float(np.mean(losses[-20:]))
        progress("phoneme-llm", step + 1, config.steps, f"{recent:.3f} nats a token")
    model.eval()
    return losses


def lessons(
    spoken: Sequence[Spoken], errors: PhonemeErrors, config: PhonemeLlmTraining
) -> Iterator[Lesson]:
    """Give the batches of a training: shuffled visits, misheard anew, neighbours of like length."""
    rng = np.random.default_rng(config.seed)
    order = np.zeros(0, dtype=int)
    wanted = config.batch * config.steps
    while len(order) < wanted:
        order = np.concatenate((order, rng.permutation(len(spoken))))
    for first in range(0, wanted, config.batch * _POOL):
        pool = order[first : min(first + config.batch * _POOL, wanted)]
        pool = pool[np.argsort([len(spoken[i][1]) for i in pool], kind="stable")]
        for batch in rng.permutation(len(pool) // config.batch):
            own = [spoken[i] for i in pool[batch * config.batch :][: config.batch]]
            yield Lesson(
                [sentence for sentence, _ in own],
                [errors.simulate(phonemes, rng) for _, phonemes in own],
            )


def _schedule(step: int, config: PhonemeLlmTraining) -> float:
    left = (config.steps - step) / max(config.steps - config.warmup, 1)
    return min((step + 1) / (config.warmup + 1), left, 1.0)


def _groups(model: PhonemeLlm, config: PhonemeLlmTraining) -> list[dict[str, object]]:
    groups: list[dict[str, object]] = []
    learning = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    for of_llm, rate in ((True, config.rate), (False, config.sound_rate)):
        for matrix in (True, False):
            chosen = [
                p
                for name, p in learning
                if name.startswith("llm.") == of_llm and (p.ndim > 1) == matrix
            ]
            decay = config.weight_decay if matrix else 0.0
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return groups
