"""What an encoder that speaks to a language model learns from: sentences, alignment, phonemes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from sylvian.config import Config
from sylvian.errors import ConfigError, DataError
from sylvian.models.alignment import Gather, Pairs
from sylvian.models.batch import Batch
from sylvian.models.ctc import LossParts, ctc_nats, frames_needed
from sylvian.models.speechllm import Neural, SpeechLlm


class LossWeights(Config):
    """How much each part counts; 0 leaves it out of the computation."""

    cross_entropy: float = Field(1.0, ge=0, description="nats per token of sentence and end")
    contrastive: float = Field(1.0, ge=0, description="nats per trial and direction")
    ctc: float = Field(0.0, ge=0, description="phonemes from the encoder, nats per trial")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the parts of a pass are means over: tokens, trials, trials CTC can align."""

    tokens: int
    trials: int
    possible: int


class SpeechLlmObjective:
    """Cross-entropy of the sentence and its end, contrastive alignment, and CTC on the encoder.

    Each part is a mean over what it is about: tokens, trials, trials with enough frames. `n_items`
    counts tokens, so that batches averaged by it give the exact cross-entropy per token.

    In training, processes that make a pass together are one large batch: their rows are negatives
    of one another, and parts that are means over trials are scaled so that their average by tokens
    is the mean over all processes' trials. Passes made one after the other are averaged by tokens.
    In inference mode a batch stays by itself, so that processes may make different numbers of them.

    Args:
        model: What is trained.
        weights: Of the parts.
        gather: Collects rows of all processes; None: there is one process.

    Raises:
        ConfigError: a part has a weight, but the model lacks what it needs.

    Source: dossier §6.5. Why here: the reference adds sums over trials to sums over tokens, and
    pools prompt and padding into the contrasted vectors (dossier §9.2).
    """

    def __init__(
        self, model: SpeechLlm, weights: LossWeights | None = None, *, gather: Gather | None = None
    ) -> None:
        self.model, self.weights, self.gather = model, weights or LossWeights(), gather
        if self.weights.contrastive > 0 and model.aligner is None:
            raise ConfigError(
                "the contrastive part has a weight, but speech.alignment is null; set "
                "end_to_end.losses.contrastive=0"
            )
        if self.weights.ctc > 0 and model.head is None:
            raise ConfigError(
                "the CTC part has a weight, but the model has no CTC head; start from a phoneme "
                "checkpoint or set end_to_end.losses.ctc=0"
            )

    @property
    def in_company(self) -> bool:
        """Whether all processes have to make as many passes in training."""
        several = self.weights.contrastive > 0 or self.weights.ctc > 0
        return self.gather is not None and several

    def __call__(
        self, batch: Batch, sentences: Sequence[str], *, counted: bool = True
    ) -> LossParts:
        """Score a batch.

        Args:
            batch: The recordings; labelled where CTC has a weight.
            sentences: What was said in each trial.
            counted: False makes the pass for the other processes' sake alone: no trial counts, as a
                negative neither.

        Raises:
            DataError: a sentence is empty or too long, a recording and its sentence are longer than
                the language model reads, or a trial lacks the labels CTC needs.
        """
        tokens = self.model.encode(batch, sentences)
        neural = self.model.listen(batch)
        lessons = self.model.lessons(neural, tokens)
        self._require_places(batch, lessons.real.sum(1).tolist())
        logits, targets = self.model.target_logits(lessons)
        parts, n_impossible = {"cross_entropy": sentence_nats(logits, targets).mean()}, 0
        if self.weights.contrastive > 0:
            parts["contrastive"] = self._contrast(neural, tokens, counted=counted)
        if self.weights.ctc > 0:
            parts["ctc"], n_impossible = self._phonemes(batch, neural)
        counts = (len(targets), len(batch), len(batch) - n_impossible)
        own = Counts(*counts) if counted else Counts(0, 0, 0)
        if self.in_company and self.model.training:
            parts = self._in_company(parts, own, neural.tokens.device)
        total = torch.stack([getattr(self.weights, n) * part for n, part in parts.items()]).sum()
        detached = {name: part.detach() for name, part in parts.items()}
        return LossParts(total, detached, own.tokens, n_impossible)

    def _require_places(self, batch: Batch, lengths: Sequence[int]) -> None:
        most = self.model.llm.most_places
        longest, key = max(zip(lengths, batch.keys, strict=True), key=lambda pair: pair[0])
        if most is not None and longest > most:
            raise DataError(
                f"{key}: {longest} tokens of prompt, recording and sentence, but "
                f"{self.model.llm.identity.architecture} has {most} places; join more frames "
                "(projector.kind=stacking), leave the trial out, or use a model of longer context"
            )

    def _in_company(
        self, parts: Mapping[str, Tensor], own: Counts, device: torch.device
    ) -> dict[str, Tensor]:
        """Scale means over own trials, to be averaged by tokens to means over everybody's."""
        assert self.gather is not None  # as `in_company` says
        rows, _ = self.gather(torch.tensor([astuple(own)], device=device))
        everybody = Counts(*rows.sum(0).tolist())
        per_token = everybody.tokens / max(own.tokens, 1)
        scales = {
            "cross_entropy": 1.0,
            "contrastive": per_token * own.trials / max(everybody.trials, 1),
            "ctc": per_token * own.possible / max(everybody.possible, 1),
        }
        return {name: scales[name] * part for name, part in parts.items()}

    def _contrast(
        self, neural: Neural, sentences: Sequence[tuple[int, ...]], *, counted: bool
    ) -> Tensor:
        aligner = self.model.aligner
        assert aligner is not None  # checked at construction
        pairs = contrasted(self.model, neural, sentences)
        gather = self.gather if self.model.training else None
        loss: Tensor = aligner(pairs if counted else pairs.none(), gather=gather)
        return loss

    def _phonemes(self, batch: Batch, neural: Neural) -> tuple[Tensor, int]:
        assert self.model.head is not None  # checked at construction
        unlabelled = (batch.n_labels == 0).nonzero().flatten().tolist()
        if unlabelled:
            raise DataError(
                f"{batch.keys[unlabelled[0]]}: no phonemes for the CTC part; set "
                "end_to_end.losses.ctc=0"
            )
        logits = self.model.head(neural.latents).float()
        losses = ctc_nats(logits, neural.n_frames, batch.labels, batch.n_labels)
        needed = frames_needed(batch.labels, batch.n_labels)
        n_impossible = int((needed > neural.n_frames).sum())
        return losses.sum() / max(len(batch) - n_impossible, 1), n_impossible


def sentence_nats(
    logits: Float[Tensor, "targets tokens"], targets: Int64[Tensor, " targets"]
) -> Float[Tensor, " targets"]:
    """Negative log-likelihood of each target token, in nats, computed in float32."""
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(logits.float(), targets, reduction="none")


def contrasted(model: SpeechLlm, neural: Neural, sentences: Sequence[tuple[int, ...]]) -> Pairs:
    """Pool a batch for the contrast: own neural tokens, own sentence's tokens, nothing else.

    Raises:
        ConfigError: the model has no aligner.
    """
    if model.aligner is None:
        raise ConfigError("the model has no aligner; set alignment to contrast")
    device = neural.tokens.device
    rows = [torch.tensor(own, device=device) for own in sentences]
    text = model.llm.embed(pad_sequence(rows, batch_first=True))
    n_text = torch.tensor([len(own) for own in sentences], device=device)
    numbers = torch.tensor([_number(own) for own in sentences], device=device)
    pairs: Pairs = model.aligner.pairs(neural.tokens, neural.n_tokens, text, n_text, numbers)
    return pairs


def _number(tokens: tuple[int, ...]) -> int:
    """Give a number that equal sentences share, in every process and run."""
    digest = hashlib.sha256(str(tokens).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
