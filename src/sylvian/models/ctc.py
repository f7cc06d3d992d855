"""Connectionist temporal classification: the head, the loss, and the way out to NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from sylvian.errors import DataError
from sylvian.models.base import Encoder
from sylvian.models.batch import Batch
from sylvian.text import Vocabulary
from sylvian.types import Logits


@dataclass(frozen=True, slots=True)
class LossParts:
    """What an objective says about a batch.

    Attributes:
        total: Mean loss per item, to be minimised; a float32 scalar with a gradient.
        parts: Its named components, detached, each a mean per item.
        n_items: Trials that entered the mean; weighs the batch when losses are averaged on.
        n_impossible: Trials left out because they have fewer frames than their labels need.
    """

    total: Float[Tensor, ""]
    parts: Mapping[str, Float[Tensor, ""]]
    n_items: int
    n_impossible: int


class CtcModel(nn.Module):
    """An encoder with a linear head over tokens.

    Args:
        encoder: Features to latents.
        vocabulary: Tokens of the head; column 0 is the blank.
        seed: Decides the head's initial weights.
    """

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary, *, seed: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.vocabulary = vocabulary
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = nn.Linear(encoder.width, len(vocabulary))

    def forward(
        self, batch: Batch
    ) -> tuple[Float[Tensor, "batch frames tokens"], Int64[Tensor, " batch"]]:
        """Give float32 logits, and how many frames of each trial are real."""
        latents = self.encoder(batch.features, batch.n_bins, batch.session)
        return self.head(latents).float(), self.encoder.n_frames(batch.n_bins)


class CtcObjective:
    """Negative log-likelihood of the labels, in nats per trial, averaged over the batch's trials.

    A trial that has fewer frames than labels plus repeats cannot be aligned: it is counted and
    left out, with neither loss nor gradient.

    Why here: the reference sums over the batch, so its learning rate depends on batch size, and
    its `zero_infinity` hides the impossible trials.
    """

    def __init__(self, model: CtcModel) -> None:
        self.model = model

    def __call__(self, batch: Batch) -> LossParts:
        """Score a labelled batch.

        Raises:
            DataError: a trial has no labels.
        """
        return self.score(batch, *self.model(batch))

    def score(
        self,
        batch: Batch,
        logits: Float[Tensor, "batch frames tokens"],
        n_frames: Int64[Tensor, " batch"],
    ) -> LossParts:
        """Score what the model said about a labelled batch.

        Raises:
            DataError: a trial has no labels.
        """
        unlabelled = (batch.n_labels == 0).nonzero().flatten().tolist()
        if unlabelled:
            raise DataError(
                f"{batch.keys[unlabelled[0]]}: no labels to train on; use labelled splits"
            )
        losses = ctc_nats(logits, n_frames, batch.labels, batch.n_labels)
        n_impossible = int((frames_needed(batch.labels, batch.n_labels) > n_frames).sum())
        n_items = len(batch) - n_impossible
        total = losses.sum() / max(n_items, 1)
        return LossParts(total, {"ctc": total.detach()}, n_items, n_impossible)


def ctc_nats(
    logits: Float[Tensor, "batch frames tokens"],
    n_frames: Int64[Tensor, " batch"],
    labels: Int64[Tensor, "batch labels"],
    n_labels: Int64[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """Negative log-likelihood of each trial's labels in nats, blank 0; 0 for impossible trials.

    Computed in float32 whatever the precision of the logits.
    """
    with torch.autocast(logits.device.type, enabled=False):
        log_probs = logits.float().log_softmax(-1).transpose(0, 1)
        return functional.ctc_loss(
            log_probs, labels, n_frames, n_labels, reduction="none", zero_infinity=True
        )


def frames_needed(
    labels: Int64[Tensor, "batch labels"], n_labels: Int64[Tensor, " batch"]
) -> Int64[Tensor, " batch"]:
    """Fewest frames that can carry the labels: one each, and a blank between equal neighbours."""
    inside = torch.arange(1, labels.shape[1], device=labels.device) < n_labels.unsqueeze(1)
    repeats = (labels[:, 1:] == labels[:, :-1]) & inside
    return n_labels + repeats.sum(1)


@torch.no_grad()
def logits_of(model: CtcModel, batch: Batch) -> list[Logits]:
    """Run the model in inference mode; one unpadded float32 matrix per trial.

    The model's training flag is put back afterwards.
    """
    was_training = model.training
    model.eval()
    try:
        logits, n_frames = model(batch)
    finally:
        model.train(was_training)
    return split_logits(model, batch, logits, n_frames)


def split_logits(
    model: CtcModel,
    batch: Batch,
    logits: Float[Tensor, "batch frames tokens"],
    n_frames: Int64[Tensor, " batch"],
) -> list[Logits]:
    """Cut what `model` said about a batch into one unpadded float32 matrix per trial."""
    frame_s = model.encoder.frame_bins * batch.bin_s
    values = logits.detach().cpu().numpy()
    return [
        Logits(key, own[:length].copy(), frame_s, model.vocabulary)
        for key, own, length in zip(batch.keys, values, n_frames.tolist(), strict=True)
    ]
