"""What can be learnt: a model with its loss, and the one number validation judges it by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sylvian.config import flatten
from sylvian.errors import DataError
from sylvian.models.artefact import save_model
from sylvian.models.base import Encoder
from sylvian.models.batch import Batch
from sylvian.models.ctc import CtcModel, CtcObjective, LossParts, split_logits
from sylvian.models.pretrained import save_pretrained
from sylvian.models.pretraining import Guesses, PretrainingModel, PretrainingObjective, judge
from sylvian.models.reconstruction import ReconstructionSums, pooled_r2
from sylvian.text import Vocabulary
from sylvian.train.seeds import derive_seed
from sylvian.types import EditCounts, Logits, TrialInfo, TrialKey

CountErrors = Callable[[Logits, Sequence[str]], EditCounts]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation found.

    Attributes:
        loss: Mean loss per item; NaN if there was no item.
        value: The task's metric, by which the best epoch is chosen.
    """

    loss: float
    value: float


class Task(ABC):
    """A model to be trained, and what training and validation ask of it."""

    metric: str
    """Column of metrics.csv that chooses the best epoch."""
    label: str
    """What people call the metric."""
    lower_is_better: bool
    model: nn.Module
    encoder: Encoder
    vocabulary: Vocabulary | None
    """Where labels are looked up; None: no labels are wanted."""
    parts: tuple[str, ...] = ()
    """Parts of the loss that metrics.csv lists apart, where it has several."""
    in_company: bool = False
    """Whether all processes make as many passes in training, since the loss is about all of them.
    Where the model is kept in shards they do in any case."""

    def better(self, value: float, best: float | None) -> bool:
        """Say whether `value` beats the best so far; the first one always does."""
        if best is None:
            return True
        return value < best if self.lower_is_better else value > best

    @abstractmethod
    def admit(self, train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
        """Look at the trials before training begins.

        Raises:
            DataError: one cannot be trained or validated on.
        """

    @abstractmethod
    def together(self, info: TrialInfo) -> Hashable:
        """Name what trials of one batch have in common."""

    @abstractmethod
    def signature(self, info: TrialInfo) -> str:
        """Say what the numbers of a run depend on in a trial, features apart."""

    @abstractmethod
    def loss(self, batch: Batch, *, epoch: int) -> LossParts:
        """Score a training batch."""

    def accompany(self, batch: Batch, *, epoch: int) -> LossParts:
        """Make the pass of `loss` for the other processes' sake; it will weigh nothing."""
        return self.loss(batch, epoch=epoch)

    @abstractmethod
    def begin_validation(self) -> None:
        """Forget what earlier validations found."""

    @abstractmethod
    def validate(self, batch: Batch) -> None:
        """Add a batch to the sums."""

    @abstractmethod
    def sums(self) -> list[float]:
        """Give what was added since `begin_validation`, as numbers that add up over processes."""

    @abstractmethod
    def take_sums(self, sums: Sequence[float]) -> None:
        """Go on from sums that `sums` of several processes gave together."""

    @abstractmethod
    def verdict(self) -> Verdict:
        """Judge by what was added since `begin_validation`."""

    @abstractmethod
    def save(
        self, folder: Path, facts: Mapping[str, Any], *, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write the model for whoever uses it next; `weights` where it holds them in shards."""

    def state(self) -> dict[str, Tensor]:
        """Give the tensors that training may change; a checkpoint consists of them."""
        return self.model.state_dict()

    def settings(self) -> dict[str, Any]:
        """Give what the numbers of a run depend on besides trials and optimisation."""
        return {f"encoder.{name}": value for name, value in flatten(self.encoder.config)}


class CtcTask(Task):
    """Phonemes by CTC, judged by the corpus-level PER of greedy, free-running decoding.

    Args:
        model: What is trained.
        count_errors: Decodes one trial's logits greedily and counts phoneme errors.
    """

    metric, label, lower_is_better = "val_per", "PER", True

    def __init__(self, model: CtcModel, count_errors: CountErrors) -> None:
        self.model, self.encoder, self.vocabulary = model, model.encoder, model.vocabulary
        self._objective, self._count_errors = CtcObjective(model), count_errors
        self._ctc = model
        self._references: dict[TrialKey, Sequence[str]] = {}
        self.begin_validation()

    def admit(self, train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
        """Refuse trials without phonemes; see `Task.admit`."""
        for info in (*train, *val):
            if not info.phonemes:
                raise DataError(
                    f"{info.key}: no phonemes; train and validate on labelled trials only"
                )
        self._references = {info.key: info.phonemes or () for info in val}

    def together(self, info: TrialInfo) -> Hashable:
        """Batch each participant apart."""
        return info.key.corpus, info.key.participant

    def signature(self, info: TrialInfo) -> str:
        """Name the trial, its length and its labels."""
        return f"{info.key} {info.n_bins} {info.phonemes}"

    def loss(self, batch: Batch, *, epoch: int) -> LossParts:
        """Score a labelled batch."""
        return self._objective(batch)

    def begin_validation(self) -> None:
        """Forget what earlier validations found."""
        self._loss_sum, self._n_items, self._counts = 0.0, 0, EditCounts()

    def validate(self, batch: Batch) -> None:
        """Add a batch: its loss, and the errors of greedy decoding, which is shown no truth."""
        logits, n_frames = self._ctc(batch)
        parts = self._objective.score(batch, logits, n_frames)
        self._loss_sum += float(parts.total) * parts.n_items
        self._n_items += parts.n_items
        for own in split_logits(self._ctc, batch, logits, n_frames):
            self._counts += self._count_errors(own, self._references[own.key])

    def sums(self) -> list[float]:
        """Give loss, trials and edits."""
        return [self._loss_sum, float(self._n_items), *map(float, astuple(self._counts))]

    def take_sums(self, sums: Sequence[float]) -> None:
        """Take loss, trials and edits; see `Task.take_sums`."""
        self._loss_sum, self._n_items = sums[0], round(sums[1])
        self._counts = EditCounts(*map(round, sums[2:]))

    def verdict(self) -> Verdict:
        """Give the loss in nats per trial and the PER."""
        return Verdict(_mean(self._loss_sum, self._n_items), self._counts.rate)

    def save(
        self, folder: Path, facts: Mapping[str, Any], *, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write the model for decoding; see `save_model`."""
        save_model(self._ctc, folder, facts, weights=weights)


class PretrainingTask(Task):
    """Recordings without labels, judged by R² on hidden bins alone.

    Validation hides the same bins every epoch. Each participant's, or each session's, R² is about
    its own channel means, and all are pooled.

    Args:
        model: What is trained.
        seed: Seed of the run; with the epoch and a trial's name it decides what is hidden.

    Source: dossier §3.3 (selection by R²), §9.2 (the reference takes it over all bins).

    Why here: masks that depend on nothing but seed, epoch and trial are the same after a resume and
    on any number of machines.
    """

    metric, label, lower_is_better = "val_r2", "R²", False
    vocabulary = None

    def __init__(self, model: PretrainingModel, *, seed: int) -> None:
        self.model, self.encoder, self._pretraining = model, model.encoder, model
        self._objective, self._seed = PretrainingObjective(model), seed
        self._channels = {spec.path: spec.n_channels for spec in model.encoder.sessions}
        self.begin_validation()

    def admit(self, train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
        """Take every trial; see `Task.admit`."""

    def together(self, info: TrialInfo) -> Hashable:
        """Batch whoever has as many channels in bins as wide."""
        return self._channels.get(info.key.session_path, 0), info.bin_s

    def signature(self, info: TrialInfo) -> str:
        """Name the trial and its length."""
        return f"{info.key} {info.n_bins}"

    def loss(self, batch: Batch, *, epoch: int) -> LossParts:
        """Score a batch on the bins that this epoch hides."""
        seed = derive_seed(self._seed, "mask", epoch)
        return self._objective.score(batch, self._guess(batch, seed))

    def _guess(self, batch: Batch, seed: int) -> Guesses:
        model = self._pretraining
        hidden = model.fixed_masks(batch, seed=seed) if model.config.kind != "next_bin" else None
        guesses: Guesses = model(batch, hidden)
        return guesses

    def begin_validation(self) -> None:
        """Forget what earlier validations found."""
        self._loss_sum, self._n_items = 0.0, 0
        self._sums: dict[str, ReconstructionSums] = {}

    def validate(self, batch: Batch) -> None:
        """Add a batch's loss and squared errors, session by session."""
        guesses = self._guess(batch, self._seed)
        parts = self._objective.score(batch, guesses)
        self._loss_sum += float(parts.total) * parts.n_items
        self._n_items += parts.n_items
        for key, sums in zip(batch.keys, judge(self._pretraining, guesses), strict=True):
            path = key.session_path
            self._sums[path] = self._sums[path] + sums if path in self._sums else sums

    def sums(self) -> list[float]:
        """Give loss, entries, and the sums of every session, zeros where none was seen."""
        found = [self._loss_sum, float(self._n_items)]
        for path, n_channels in self._channels.items():
            own = self._sums.get(path) or _nothing(n_channels)
            found += [float(own.n_bins), *own.total, *own.squares, *own.sse]
        return found

    def take_sums(self, sums: Sequence[float]) -> None:
        """Take loss, entries and the sums of every session; see `Task.take_sums`."""
        self._loss_sum, self._n_items, self._sums = sums[0], round(sums[1]), {}
        start = 2
        for path, n_channels in self._channels.items():
            stop = start + 1 + 3 * n_channels
            if sums[start]:
                parts = np.split(np.array(sums[start + 1 : stop]), 3)
                self._sums[path] = ReconstructionSums(round(sums[start]), *parts)
            start = stop

    def verdict(self) -> Verdict:
        """Give the loss per hidden entry, and R² pooled over sessions."""
        return Verdict(_mean(self._loss_sum, self._n_items), pooled_r2(self._sums.values()))

    def save(
        self, folder: Path, facts: Mapping[str, Any], *, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write the model for fine-tuning; see `save_pretrained`."""
        save_pretrained(self._pretraining, folder, facts, weights=weights)

    def settings(self) -> dict[str, Any]:
        """Add the objective to the encoder."""
        objective = flatten(self._pretraining.config)
        return super().settings() | {f"objective.{name}": value for name, value in objective}


def _nothing(n_channels: int) -> ReconstructionSums:
    return ReconstructionSums(0, *np.zeros((3, n_channels)))


def _mean(total: float, count: int) -> float:
    return total / count if count else float("nan")
