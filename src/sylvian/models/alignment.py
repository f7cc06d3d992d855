"""Neural tokens near the sentence they belong to: symmetric InfoNCE on pooled tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config
from sylvian.models.projectors import behind

_ROUNDING = 1e-6  # of a logarithm in float32, so that its exponential stays below the bound

Gather = Callable[[Tensor], tuple[Tensor, int]]
"""Rows of all processes in a fixed order, and where one's own begin; some may have none. For exact
gradients it must be differentiable with respect to every process' rows."""


class AlignmentConfig(Config):
    """Contrastive alignment (dossier §6.5)."""

    width: int = Field(512, gt=0, description="size of the shared space")
    temperature: float = Field(0.1, gt=0, description="initial temperature; it is learned")
    max_scale: float = Field(100.0, gt=0, description="one over the temperature is clamped to it")
    queue: int = Field(0, ge=0, description="pairs of earlier batches that serve as negatives")
    spare_equal: bool = Field(
        True, description="trials of one sentence are no negatives of one another"
    )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pooled, projected and normalised trials.

    Attributes:
        neural: Of the neural tokens.
        text: Of the target sentence's tokens.
        sentence: A number that equal sentences share.
    """

    neural: Float[Tensor, "rows width"]
    text: Float[Tensor, "rows width"]
    sentence: Int64[Tensor, " rows"]

    def none(self) -> Pairs:
        """Leave every trial out, but keep the way of gradients back."""
        return Pairs(self.neural[:0], self.text[:0], self.sentence[:0])


class Aligner(nn.Module):
    """Two linear maps into a shared space, the temperature, and a queue of earlier pairs.

    Args:
        config: Sizes and temperature.
        width: Size of the language model's embeddings.
        seed: Decides the initial weights; torch's own random state is left alone.
    """

    queue_neural: Tensor
    queue_text: Tensor
    queue_sentence: Tensor
    queue_seen: Tensor

    def __init__(self, config: AlignmentConfig, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.neural = nn.Linear(width, config.width)
            self.text = nn.Linear(width, config.width)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        self.register_buffer("queue_neural", torch.zeros(config.queue, config.width))
        self.register_buffer("queue_text", torch.zeros(config.queue, config.width))
        self.register_buffer("queue_sentence", torch.zeros(config.queue, dtype=torch.int64))
        self.register_buffer("queue_seen", torch.zeros((), dtype=torch.int64))

    def scale(self) -> Float[Tensor, ""]:
        """Give one over the temperature.

        Why here: the parameter itself is clamped, as CLIP does it. Clamping its exponential would
        leave no gradient that could lead back below the bound.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(self.config.max_scale) - _ROUNDING)
        return self.log_scale.exp()

    def pairs(
        self,
        neural: Float[Tensor, "batch tokens width"],
        n_neural: Int64[Tensor, " batch"],
        text: Float[Tensor, "batch words width"],
        n_text: Int64[Tensor, " batch"],
        sentence: Int64[Tensor, " batch"],
    ) -> Pairs:
        """Pool own tokens only, map them into the shared space and scale them to length one.

        Args:
            neural: Neural tokens in the language model's space, padded.
            n_neural: How many of them are real.
            text: Embeddings of the target sentence's tokens, padded; neither prompt nor end.
            n_text: How many of them are real.
            sentence: A number that equal sentences share.
        """
        with torch.autocast(neural.device.type, enabled=False):
            ours = self.neural(masked_mean(neural.float(), n_neural))
            theirs = self.text(masked_mean(text.float(), n_text))
        return Pairs(
            functional.normalize(ours, dim=-1), functional.normalize(theirs, dim=-1), sentence
        )

    def forward(self, pairs: Pairs, *, gather: Gather | None = None) -> Float[Tensor, ""]:
        """Contrast own trials with all processes' and the queue's; nats per trial and direction.

        Without own trials it is zero, and the others' rows are given their gradients. In training
        mode the pairs of all processes then enter the queue.
        """
        every, start = pairs, 0
        if gather is not None:
            both, start = gather(torch.cat((pairs.neural, pairs.text), 1))
            neural, text = both.chunk(2, dim=1)
            every = Pairs(neural, text, gather(pairs.sentence)[0])
        size = min(int(self.queue_seen), self.config.queue)
        known = Pairs(
            torch.cat((every.neural, self.queue_neural[:size])),
            torch.cat((every.text, self.queue_text[:size])),
            torch.cat((every.sentence, self.queue_sentence[:size])),
        )
        loss = self._contrast(pairs, known, start)
        if self.training:
            self._remember(every)
        return loss

    def _contrast(self, own: Pairs, known: Pairs, start: int) -> Tensor:
        with torch.autocast(own.neural.device.type, enabled=False):
            scale = self.scale()
            truth = torch.arange(start, start + len(own.sentence), device=own.sentence.device)
            spared = (own.sentence.unsqueeze(1) == known.sentence).scatter(
                1, truth.unsqueeze(1), False
            )
            if not self.config.spare_equal:
                spared = torch.zeros_like(spared)
            to_text = (scale * own.neural @ known.text.T).masked_fill(spared, -math.inf)
            to_neural = (scale * own.text @ known.neural.T).masked_fill(spared, -math.inf)
            both = (
                functional.cross_entropy(to_text, truth, reduction="sum"),
                functional.cross_entropy(to_neural, truth, reduction="sum"),
            )
            return (both[0] + both[1]) / (2 * max(len(truth), 1))

    @torch.no_grad()
    def _remember(self, pairs: Pairs) -> None:
        size = self.config.queue
        if not size:
            return
        newest = len(pairs.sentence)
        kept = min(newest, size)
        places = (int(self.queue_seen) + torch.arange(newest - kept, newest)) % size
        places = places.to(self.queue_seen.device)
        self.queue_neural[places] = pairs.neural.detach()[-kept:]
        self.queue_text[places] = pairs.text.detach()[-kept:]
        self.queue_sentence[places] = pairs.sentence[-kept:]
        self.queue_seen += newest


def masked_mean(
    values: Float[Tensor, "batch places width"], lengths: Int64[Tensor, " batch"]
) -> Float[Tensor, "batch width"]:
    """Average the real places of each row."""
    padding = behind(lengths, values.shape[1]).unsqueeze(-1)
    return values.masked_fill(padding, 0.0).sum(1) / lengths.unsqueeze(1)
