"""Sentences, end to end: the task of an encoder that speaks to a language model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sylvian.config import flatten
from sylvian.errors import DataError
from sylvian.models.batch import Batch
from sylvian.models.ctc import LossParts
from sylvian.models.endtoend import LossWeights, SpeechLlmObjective
from sylvian.models.generation import Generated, generate
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import SpeechLlm
from sylvian.models.speechllm_files import save_speech_llm, trainable_state
from sylvian.text import normalize_sentence
from sylvian.train.exchange import gather_rows
from sylvian.train.seeds import generator_at
from sylvian.train.sharding import in_step
from sylvian.train.tasks import Task, Verdict
from sylvian.types import EditCounts, TrialInfo, TrialKey

CountWordErrors = Callable[[str, str], EditCounts]


class SentenceTask(Task):
    """Sentences by a language model, judged by the WER of free-running greedy generation.

    A fixed random part of the validation trials is generated for; cross-entropy, by teacher
    forcing, is taken over all of them and never called an error rate.

    Args:
        model: What is trained: encoder, projector, adapters, aligner, head; not the base.
        weights: Of the parts of the loss.
        count_errors: Counts the word errors of a sentence (reference first).
        n_generated: Validation trials to generate for; None: all.
        seed: Chooses them.
        as_written: Learn sentences with their capitals and punctuation, not normalised as they are
            scored.

    Source: dossier §6.6; §9.2 (the reference validates with the truth in sight).
    """

    metric, label, lower_is_better = "val_wer", "WER", True

    def __init__(
        self,
        model: SpeechLlm,
        weights: LossWeights,
        count_errors: CountWordErrors,
        *,
        n_generated: int | None = 64,
        seed: int = 0,
        as_written: bool = False,
    ) -> None:
        self.model, self.encoder, self._speech = model, model.encoder, model
        self.vocabulary = model.vocabulary if weights.ctc > 0 else None
        self.parts = tuple(n for n in LossWeights.model_fields if getattr(weights, n) > 0)
        self._weights, self._count_errors = weights, count_errors
        self._n_generated, self._seed, self._as_written = n_generated, seed, as_written
        self._objective = SpeechLlmObjective(model, weights, gather=gather_rows)
        self.in_company = self._objective.in_company
        spoken = LossWeights(cross_entropy=1.0, contrastive=0.0, ctc=0.0)
        self._judge = SpeechLlmObjective(model, spoken)
        self._sentences: dict[TrialKey, str] = {}
        self._generated: frozenset[TrialKey] = frozenset()
        self.begin_validation()

    def admit(self, train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
        """Refuse trials without a sentence that fits, or without the phonemes a part needs."""
        for info in (*train, *val):
            if not (info.sentence or "").strip():
                raise DataError(f"{info.key}: no sentence; train and validate on labelled trials")
            if self.vocabulary is not None and not info.phonemes:
                raise DataError(
                    f"{info.key}: no phonemes; set end_to_end.losses.ctc=0 or leave it out"
                )
        written = self._as_written
        self._sentences = {
            info.key: (info.sentence or "") if written else normalize_sentence(info.sentence or "")
            for info in (*train, *val)
        }
        for key, sentence in self._sentences.items():
            try:
                self._speech.prompt.encode(sentence)
            except DataError as failure:
                raise DataError(f"{key}: {failure}") from None
        self._generated = _some([info.key for info in val], self._n_generated, self._seed)

    def together(self, info: TrialInfo) -> Hashable:
        """Batch each participant apart."""
        return info.key.corpus, info.key.participant

    def signature(self, info: TrialInfo) -> str:
        """Name the trial, its length and its sentence."""
        return f"{info.key} {info.n_bins} {info.sentence}"

    def loss(self, batch: Batch, *, epoch: int) -> LossParts:
        """Score a batch with its sentences."""
        return self._objective(batch, self._sentences_of(batch))

    def accompany(self, batch: Batch, *, epoch: int) -> LossParts:
        """Make the pass of `loss` without a trial that counts; see `Task.accompany`."""
        return self._objective(batch, self._sentences_of(batch), counted=False)

    def begin_validation(self) -> None:
        """Forget what earlier validations found."""
        self._loss_sum, self._n_items, self._counts = 0.0, 0, EditCounts()

    def validate(self, batch: Batch) -> None:
        """Add a batch: its cross-entropy, and the word errors of what is generated unaided."""
        parts = self._judge(batch, self._sentences_of(batch))
        self._loss_sum += float(parts.total) * parts.n_items
        self._n_items += parts.n_items
        for found in self._generate(batch):
            text = found.nbest().best.text
            self._counts += self._count_errors(self._sentences[found.key], text)

    def _generate(self, batch: Batch) -> tuple[Generated, ...]:
        """Generate for the chosen trials of a batch; in step with others where in shards."""
        rows = [row for row, key in enumerate(batch.keys) if key in self._generated]
        others = in_step(self._speech)
        if not (bool(rows) if others is None else others(bool(rows))):
            return ()
        found = generate(self._speech, batch.only(rows or [0]), GreedyConfig(), others=others)
        return found if rows else ()

    def sums(self) -> list[float]:
        """Give loss, tokens and edits."""
        return [self._loss_sum, float(self._n_items), *map(float, astuple(self._counts))]

    def take_sums(self, sums: Sequence[float]) -> None:
        """Take loss, tokens and edits; see `Task.take_sums`."""
        self._loss_sum, self._n_items = sums[0], round(sums[1])
        self._counts = EditCounts(*map(round, sums[2:]))

    def verdict(self) -> Verdict:
        """Give the cross-entropy in nats per token and the WER."""
        loss = self._loss_sum / self._n_items if self._n_items else float("nan")
        return Verdict(loss, self._counts.rate)

    def save(
        self, folder: Path, facts: Mapping[str, Any], *, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write what was trained, adapters in a file of their own; see `save_speech_llm`."""
        save_speech_llm(self._speech, folder, facts, weights=weights)

    def state(self) -> dict[str, Tensor]:
        """Give what training changes: everything but the frozen base."""
        return trainable_state(self._speech)

    def settings(self) -> dict[str, Any]:
        """Add how encoder and language model speak, which model it is, and the weights."""
        found = super().settings()
        kinds = {
            "model": self._speech.config,
            "backbone": self._speech.llm.identity,
            "losses": self._weights,
        }
        for name, config in kinds.items():
            found |= {f"{name}.{key}": value for key, value in flatten(config)}
        generated = f"{self._n_generated} by {self._seed}"
        return found | {"generated": generated, "as written": self._as_written}

    def _sentences_of(self, batch: Batch) -> list[str]:
        return [self._sentences[key] for key in batch.keys]


def _some(keys: Sequence[TrialKey], n: int | None, seed: int) -> frozenset[TrialKey]:
    """Choose trials at random, the same ones in every epoch, process and resumed run."""
    if n is None or n >= len(keys):
        return frozenset(keys)
    order = torch.randperm(len(keys), generator=generator_at(seed, "generated"))
    return frozenset(keys[place] for place in order[:n].tolist())
