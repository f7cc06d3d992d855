"""Decode every trial with an error model that knows nothing of its day, sentence or reference."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from _confusion_network import interleave, place
from _phoneme_errors import ErrorModel, fit_error_model, frame_features
from _sequence_training import Proposals, collect, train_on_sequences
from _t15_decodes import Heard, Phonemes, ValTrial, session_folds
from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.graph import DecodingGraph
from sylvian.evaluate.rates import word_edits
from sylvian.text import phoneme_vocabulary
from sylvian.types import Logits, NBest, TrialKey

FRAME_S = 0.1  # of no meaning here: a pseudo-frame is a phoneme or a gap


@dataclass(frozen=True)
class Settings:
    """Everything that was chosen by hand, watching the pooled error rate of these very trials.

    The optimum is flat (l2 of 6 to 12 and l2_sequence of 3 to 15 moved it by 0.001); whatever has
    thousands of weights, and the weight of the language model and the word bonus, is cross-fitted.

    Attributes:
        order: Of the n-gram model.
        n_folds: Into which recording days are dealt.
        l2: Penalty on the error model's weights.
        l2_sequence: Penalty on what sequence training changes.
        max_iterations: Steps of the frame-by-frame fit.
        search: First pass, as it proposes sentences for sequence training.
        seed: Of the folds.
    """

    order: int = 4
    n_folds: int = 5
    l2: float = 8.0
    l2_sequence: float = 6.0
    max_iterations: int = 60
    search: DecodeConfig = DecodeConfig(
        acoustic_scale=1.0,
        blank_penalty=0.75,
        lm_weight=0.9,
        beam=15.0,
        lattice_beam=8.0,
        max_active=1500,
        min_active=20,
        n_best=60,
    )
    seed: int = 0


class CrossFit:
    """Decode every trial with an error model that knows nothing of its day or its sentence."""

    def __init__(
        self,
        trials: Sequence[ValTrial],
        heard: Sequence[Sequence[Heard]],
        counts: Counter[Phonemes],
        graph: DecodingGraph,
        settings: Settings,
    ) -> None:
        """Describe the frames of every trial and deal out the folds.

        Args:
            trials: Truth of each trial.
            heard: What each trial's decoders recognised; the first decoder's best is the pivot.
            counts: How often the language model's text has words of each sound.
            graph: What the first pass searches.
            settings: The choices.
        """
        self.trials, self.graph, self.settings = trials, graph, settings
        self.folds = session_folds(
            [trial.session for trial in trials], settings.n_folds, seed=settings.seed
        )
        self.features = [frame_features(h[0], counts, h[1:]) for h in heard]
        self.classes = [
            interleave(*place(h[0].hypotheses[0], trial.phonemes))
            for h, trial in zip(heard, trials, strict=True)
        ]
        self.search_seconds = 0.0
        self._models: dict[frozenset[int], ErrorModel] = {}

    def decode(self, *, n_best: int = 1) -> list[NBest]:
        """Decode all trials fold by fold; `search_seconds` is what the final searches took."""
        found: dict[int, NBest] = {}
        for fold in range(self.settings.n_folds):
            model, search = self.sequence_trained(fold)
            held_out = [i for i, other in enumerate(self.folds) if other == fold]
            began = time.perf_counter()
            wanted = search.model_copy(update={"n_best": n_best})
            lists = self._search(held_out, model, wanted)
            self.search_seconds += time.perf_counter() - began
            found |= zip(held_out, lists, strict=True)
        return [found[i] for i in range(len(self.trials))]

    def training_trials(self, *held_out: int) -> list[int]:
        """Trials outside some folds, without those whose sentence occurs inside."""
        inside = {
            t.sentence for t, fold in zip(self.trials, self.folds, strict=True) if fold in held_out
        }
        return [
            i
            for i, (trial, fold) in enumerate(zip(self.trials, self.folds, strict=True))
            if fold not in held_out and trial.sentence not in inside
        ]

    def fitted(self, *held_out: int) -> ErrorModel:
        """Error model of the trials outside some folds, frame by frame."""
        key = frozenset(held_out)
        if key not in self._models:
            start = next((m for known, m in self._models.items() if known > key), None)
            self._models[key] = self._fit(self.training_trials(*held_out), start)
        return self._models[key]

    def sequence_trained(self, fold: int) -> tuple[ErrorModel, DecodeConfig]:
        """Error model for a fold, and the search that goes with it."""
        usable = self.training_trials(fold)
        order: list[int] = []
        logits: list[Float[np.ndarray, "frames tokens"]] = []
        lists: list[NBest] = []
        for inner in (f for f in range(self.settings.n_folds) if f != fold):
            proposing = [i for i in usable if self.folds[i] == inner]
            model = self.fitted(fold, inner)
            order += proposing
            logits += [self._logits(i, model) for i in proposing]
            lists += self._search(proposing, model, self.settings.search)
        weights = train_on_sequences(
            sp.vstack([self.features[i] for i in order]).tocsr(),
            np.concatenate(logits),
            self._proposals(order, lists),
            l2=self.settings.l2_sequence,
            lm_weight=self.settings.search.lm_weight,
        )
        learned = {"lm_weight": weights.lm_weight, "word_bonus": weights.word_bonus}
        search = DecodeConfig(**(self.settings.search.model_dump() | learned))
        return weights.applied(self.fitted(fold)), search

    def _fit(self, trials: Sequence[int], start: ErrorModel | None) -> ErrorModel:
        return fit_error_model(
            sp.vstack([self.features[i] for i in trials]).tocsr(),
            np.concatenate([self.classes[i] for i in trials]),
            l2=self.settings.l2,
            start=start,
            max_iterations=self.settings.max_iterations,
        )

    def _logits(self, trial: int, model: ErrorModel) -> Float[np.ndarray, "frames tokens"]:
        """Logits with the blank penalty already taken off."""
        logits = model.logits(self.features[trial])
        logits[:, 0] -= self.settings.search.blank_penalty
        return logits

    def _search(
        self, trials: Sequence[int], model: ErrorModel, search: DecodeConfig
    ) -> list[NBest]:
        first_pass = FirstPass(self.graph, search)
        vocabulary = phoneme_vocabulary()
        return [
            first_pass.decode(
                Logits(self._key(i), model.logits(self.features[i]), FRAME_S, vocabulary)
            )
            for i in trials
        ]

    def _proposals(self, order: Sequence[int], lists: Sequence[NBest]) -> Proposals:
        n_frames = [self.features[i].shape[0] for i in order]
        first = np.cumsum([0, *n_frames])[:-1].tolist()
        return collect(
            lists,
            first,
            n_frames,
            count_errors=lambda at, text: (
                word_edits(self.trials[order[at]].sentence, text).n_errors
            ),
        )

    def _key(self, trial: int) -> TrialKey:
        day = self.trials[trial].session.removeprefix("t15.").replace(".", "-")
        return TrialKey("card2024", "T15", day, 0, trial)
