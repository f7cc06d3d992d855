"""A language model that is shown the candidates of several systems and writes the sentence."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from sylvian.config import Config
from sylvian.errors import DecodeError
from sylvian.models.textlm import as_written
from sylvian.text import normalize_sentence

_TASK = (
    "Several speech recognisers listened to one sentence. Each line is a version of it and the "
    "share of recognisers that heard it so. Reply with the one sentence that was most probably "
    "said, and nothing else."
)
_EXAMPLE = (("i wood like some water", 0.5), ("i would like sum water", 0.5))
_EXAMPLE_ANSWER = "I would like some water."
_LABEL = re.compile(r"^\s*(?:\d+[.)]|[-*]|(?:sentence|answer|version)\s*:)\s*", re.IGNORECASE)
_SHARE = re.compile(r"\(\s*\d+\s*%\s*\)")


class MergerConfig(Config):
    """How a language model is asked which sentence was said."""

    most: int = Field(10, ge=1, description="Candidates shown, the most consented to first.")
    furthest: float = Field(
        0.5,
        ge=0,
        description="An answer that differs from every candidate by more than this share of its "
        "words is not believed.",
    )
    spare_tokens: int = Field(
        8, ge=1, description="Room for an answer, beyond the longest candidate's tokens."
    )
    example: bool = Field(True, description="Whether the question follows a worked example.")


class PromptedMerger:
    """Asks a causal language model of transformers; `hub.load_causal` finds one by name.

    A model with a chat template is asked in it, another by continuing plain text.

    Source: paper.md section 5.4: candidates of several seeds were merged by a language model
    service whose prompt is unknown; this prompt is our own.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str = "", config: MergerConfig | None = None
    ) -> None:
        """Take a model and the tokenizer that belongs to it."""
        self.name, self.config = name, config or MergerConfig()
        self._model, self._tokenizer = model, tokenizer
        self._model.train(mode=False)
        self.seconds = 0.0

    @property
    def n_bytes(self) -> int:
        """Memory of the weights."""
        return sum(p.numel() * p.element_size() for p in self._model.parameters())

    def answer(self, candidates: Sequence[tuple[str, float]]) -> str:
        """Ask about one trial, greedily; the same question gets the same answer.

        Args:
            candidates: Texts and the shares that believe in them, most consented to first.

        Returns:
            The first sentence of the answer, normalised; empty where there was none.

        Raises:
            DecodeError: the question is longer than the model can read.
        """
        began = time.perf_counter()
        shown = candidates[: self.config.most]
        question = self._encoded(self.prompt(shown))
        room = self._room(shown)
        most = getattr(self._model.config, "max_position_embeddings", None)
        if most is not None and question.shape[1] + room > most:
            raise DecodeError(
                f"{self.name} reads at most {most} tokens, the question about "
                f"{shown[0][0][:40]!r}... needs {question.shape[1] + room}; show fewer candidates "
                "(most=5)"
            )
        written = self._generated(question, room)
        self.seconds += time.perf_counter() - began
        return first_sentence(written)

    def prompt(self, candidates: Sequence[tuple[str, float]]) -> str:
        """Write the question about one trial."""
        asked = [_listed(candidates)]
        if self.config.example:
            asked = [_listed(_EXAMPLE), *asked]
        asked[0] = f"{_TASK}\n\n{asked[0]}"
        turns = [{"role": "user", "content": text} for text in asked]
        if self.config.example:
            turns.insert(1, {"role": "assistant", "content": _EXAMPLE_ANSWER})
        if getattr(self._tokenizer, "chat_template", None):
            return str(
                self._tokenizer.apply_chat_template(
                    turns, add_generation_prompt=True, tokenize=False
                )
            )
        plain = (
            f"{turn['content']}\n\n{'Sentence: ' * (turn['role'] == 'user')}" for turn in turns
        )
        return "".join(plain).rstrip(" ")

    def _encoded(self, text: str) -> Tensor:
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor([ids], device=self._model.device)

    def _room(self, shown: Sequence[tuple[str, float]]) -> int:
        texts = [as_written(text) for text, _ in shown]
        lengths = [
            len(ids) for ids in self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        ]
        return max(lengths) + self.config.spare_tokens

    @torch.inference_mode()
    def _generated(self, question: Tensor, room: int) -> str:
        from transformers import GenerationConfig

        config: Any = GenerationConfig  # transformers is typed in parts

        end = self._tokenizer.eos_token_id
        how = config(
            max_new_tokens=room,
            do_sample=False,
            num_beams=1,
            eos_token_id=end,
            pad_token_id=end or 0,
        )
        answered = self._model.generate(
            question,
            attention_mask=torch.ones_like(question),
            generation_config=how,
            stopping_criteria=[self._line_ends(question.shape[1])],
        )
        return self._decoded(answered[0, question.shape[1] :])

    def _line_ends(self, start: int) -> Any:
        def ends(ids: Tensor, scores: Any, **_: Any) -> Tensor:
            ended = "\n" in self._decoded(ids[0, start:]).lstrip()
            return torch.full((len(ids),), ended, dtype=torch.bool, device=ids.device)

        return ends

    def _decoded(self, ids: Tensor) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def first_sentence(written: str) -> str:
    """Take the sentence out of an answer: its first line, without number, label or share."""
    lines = [line for line in written.splitlines() if line.strip()]
    return normalize_sentence(_SHARE.sub("", _LABEL.sub("", lines[0]))) if lines else ""


def _listed(candidates: Sequence[tuple[str, float]]) -> str:
    return "\n".join(
        f"{number}. {as_written(text)} ({share:.0%})"
        for number, (text, share) in enumerate(candidates, start=1)
    )
