"""A phoneme-to-sentence language model for T15, its error statistics cross-fitted over days.

One SmolLM2 is warmed up on T15's training sentences misheard as an early, poor network does it
(`weak_decoder_phonemes`, none of the validation sentences). For each of two groups of recording
days a copy is then trained on, with the errors that the real network makes on the *other* days,
trials of sentences that occur in the group left out. No validation sentence is in any text.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from _t15_decodes import (
    ValTrial,
    lm_sentences,
    session_folds,
    training_sentences,
    weak_pairs,
)
from sylvian.evaluate.phoneme_errors import PhonemeErrors
from sylvian.models.backbones import backbone_of
from sylvian.models.hub import load_causal
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.text import Lexicon
from sylvian.text.soundalikes import Soundalikes
from sylvian.train.phoneme_llm import PhonemeLlmTraining, Spoken, fit_phoneme_llm
from sylvian.types import Progress, silent

N_FOLDS = 2
N_WORDS = 16  # longer sentences are left out of training: a batch is as long as its longest
WARM_UP = PhonemeLlmTraining(steps=80, batch=32, rate=1.5e-4)
TUNED = PhonemeLlmTraining(steps=28, batch=32, rate=1e-4, warmup=4, seed=1)
WEAK_ODDS = 0.055  # brings the weak network's two errors in three down to one in ten


@dataclass(frozen=True)
class Texts:
    """T15's training sentences and their phonemes, and how the words of all text sound."""

    spoken: list[Spoken]
    sounds: Soundalikes

    @classmethod
    def read(cls, data: Path, trials: Sequence[ValTrial], lexicon: Lexicon) -> Texts:
        """Read the texts without any validation sentence, and pronounce them."""
        text = lm_sentences(data, {trial.sentence for trial in trials})
        counts = Counter(word for sentence in text for word in sentence.split())
        own = set(training_sentences(data))
        spoken = [(s, lexicon.phonemes(s)) for s in text if s in own and len(s.split()) <= N_WORDS]
        return cls([(s, p) for s, p in spoken if p], Soundalikes(lexicon, counts))


def open_model(texts: Texts, llm: str = "smollm2") -> PhonemeLlm:
    """Open the published language model, ready to be trained."""
    causal, tokenizer = load_causal(llm, dtype="float32", device="cpu")
    causal.set_attn_implementation("eager")
    return PhonemeLlm(backbone_of(causal), tokenizer, texts.sounds.words)


class Trained:
    """The models of all folds, trained where the folder has them not yet.

    Attributes:
        folds: Of each trial.
        seconds: What training took here.
    """

    def __init__(
        self,
        trials: Sequence[ValTrial],
        data: Path,
        texts: Texts,
        keep: Path,
        progress: Progress = silent,
    ) -> None:
        self.trials, self.data, self.texts, self.keep = trials, data, texts, keep
        self.folds = session_folds([trial.session for trial in trials], N_FOLDS)
        self.progress, self.seconds = progress, 0.0
        torch.set_num_threads(1)

    def model(self, fold: int) -> PhonemeLlm:
        """Give the model for a fold's trials, in bfloat16 to read with."""
        path = self.keep / f"phoneme-llm-{fold}.safetensors"
        model = open_model(self.texts)
        if not path.is_file():
            _load(model, self._warmed())
            errors = self.errors(fold)
            self._fit(model, self.texts.spoken, errors, TUNED, path)
        _load(model, path)
        gc.collect()
        return model.to(torch.bfloat16).eval()

    def errors(self, fold: int) -> PhonemeErrors:
        """Statistics of the other folds' trials, without sentences of this one."""
        inside = {t.sentence for t, own in zip(self.trials, self.folds, strict=True) if own == fold}
        return PhonemeErrors.count(
            (trial.phonemes, trial.n_best.hypotheses[0])
            for trial, own in zip(self.trials, self.folds, strict=True)
            if own != fold and trial.sentence not in inside and trial.n_best is not None
        )

    def _warmed(self) -> Path:
        path = self.keep / "phoneme-llm-warm.safetensors"
        if not path.is_file():
            model = open_model(self.texts)
            weak = weak_pairs(self.data, {trial.phonemes for trial in self.trials})
            errors = PhonemeErrors.count(weak).scaled(WEAK_ODDS)
            self._fit(model, self.texts.spoken, errors, WARM_UP, path)
        return path

    def _fit(
        self,
        model: PhonemeLlm,
        spoken: list[Spoken],
        errors: PhonemeErrors,
        config: PhonemeLlmTraining,
        path: Path,
    ) -> None:
        began = time.perf_counter()
        fit_phoneme_llm(
            model, spoken, errors, self.texts.sounds, config=config, progress=self.progress
        )
        self.seconds += time.perf_counter() - began
        partial = path.with_suffix(".partial")
        save_file({k: v.to(torch.bfloat16) for k, v in model.tuned_state().items()}, partial)
        partial.replace(path)


def _load(model: PhonemeLlm, path: Path) -> None:
    missing, unknown = model.load_state_dict(load_file(path), strict=False)
    learned = set(model.tuned_state())
    if unknown or learned & set(missing):
        raise SystemExit(f"{path}: is of another model; delete it")
