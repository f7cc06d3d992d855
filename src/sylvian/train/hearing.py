"""Teaching a multimodal projector to speak to a frozen language model: words first, then sentences.

Only the projector learns. The first stage needs no pass through the language model: CTC of the
sentence's tokens, each scored by the cosine between a projected token and its embedding, brings
every word near its embedding at the place where it is heard. The second is next-token cross-entropy
of the sentence behind the prompt, as the audio-LLM is used.

Why here: one step through a language model of 135M parameters takes half a second on a CPU core, a
step of the first stage a hundredth; from random weights the second alone learns little in minutes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from sylvian.config import Config
from sylvian.errors import DataError
from sylvian.models.assembled import AssemblyConfig
from sylvian.models.backbones import Backbone
from sylvian.models.endtoend import sentence_nats
from sylvian.models.prompts import Prompt
from sylvian.models.sentence_search import GreedyConfig, Reader, run, start_search
from sylvian.models.sequences import IGNORED, side_by_side
from sylvian.types import TrialKey

Told = Callable[[str, int, int, float], None]
"""Stage, step, steps, loss in nats a token."""


class HearingConfig(Config):
    """How an audio-LLM is put together and aligned.

    With SmolLM2-135M the defaults take some ten minutes of a CPU core's own time (docs/audio.md).
    """

    assembly: AssemblyConfig = Field(AssemblyConfig(), description="what stands in between")
    sentences: int = Field(3500, ge=20, description="sentences said aloud, held-out ones too")
    held_out: int = Field(100, ge=2, description="of them, kept to measure on")
    read: int = Field(40, ge=1, description="of those, transcribed free-running")
    least_words: int = Field(3, ge=1, description="shorter sentences are left out")
    most_words: int = Field(8, ge=1, description="longer sentences are left out")
    voice: str = Field("any", description="flite, flite/SPEAKER, hibari, or any that is there")
    word_epochs: int = Field(5, ge=0, description="first stage: how often a sentence is heard")
    word_rate: float = Field(1e-3, gt=0, description="its learning rate at the peak")
    sharpness: float = Field(20.0, gt=0, description="factor on its cosines")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of the sound hidden in it")
    steps: int = Field(200, ge=0, description="second stage: updates through the language model")
    rate: float = Field(5e-4, gt=0, description="its learning rate at the beginning")
    minutes: float | None = Field(
        None, gt=0, description="it ends early after so long; null: all updates are made"
    )
    batch: int = Field(8, gt=0, description="sentences of an update; twice as many in stage one")
    seed: int = Field(0, ge=0, description="initial weights, order and choice of sentences")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One sentence and its sound.

    Attributes:
        sentence: Normalised.
        tokens: Of the language model, without the end.
        sound: What the projector expects: joined frames.
    """

    sentence: str
    tokens: tuple[int, ...]
    sound: Float[Tensor, "tokens joined"]

    def fits(self) -> bool:
        """Tell whether CTC has room: a frame for each token, one more between equal ones."""
        repeats = sum(a == b for a, b in zip(self.tokens, self.tokens[1:], strict=False))
        return len(self.tokens) + repeats <= len(self.sound)


def learn_words(
    projector: nn.Module,
    embedding: Float[Tensor, "vocabulary width"],
    lessons: Sequence[Lesson],
    config: HearingConfig,
    *,
    told: Told,
) -> None:
    """Bring each word near its embedding at the place where it is heard: the first stage.

    Args:
        projector: Trained in place.
        embedding: Of the language model; left alone.
        lessons: Those without room for their tokens are left out.
        config: How long, how fast.
        told: Told each step.

    Raises:
        DataError: none of them has room.
    """
    roomy = [own for own in lessons if own.fits()]
    if not roomy:
        raise DataError(
            f"{lessons[0].sentence!r}: {len(lessons[0].sound)} tokens of sound for "
            f"{len(lessons[0].tokens)} of text, and no other sentence has room; use a smaller "
            "assembly.frames or word_epochs=0"
        )
    known = sorted({token for own in roomy for token in own.tokens})
    places = {token: place for place, token in enumerate(known, 1)}
    device = embedding.device
    generator = torch.Generator().manual_seed(config.seed)
    silence = torch.randn(1, embedding.shape[1], generator=generator).to(device)
    silence.requires_grad_()
    words = functional.normalize(embedding[known].float(), dim=-1)
    learned = [*projector.parameters(), silence]
    batches = list(_batches(len(roomy), 2 * config.batch, config.word_epochs, config.seed))
    optimizer = torch.optim.AdamW(learned, lr=config.word_rate)
    for step, rows in enumerate(batches):
        _pace(optimizer, config.word_rate * _one_cycle(step / len(batches)))
        batch = [roomy[row] for row in rows]
        lengths = torch.tensor([len(own.sound) for own in batch])
        sound = pad_sequence([own.sound for own in batch], batch_first=True).to(device)
        shown = torch.rand(sound.shape, generator=generator).to(device) >= config.dropout
        said = functional.normalize(projector(sound * shown / (1 - config.dropout)), dim=-1)
        table = torch.cat((functional.normalize(silence, dim=-1), words))
        targets = torch.tensor([places[token] for own in batch for token in own.tokens])
        counts = torch.tensor([len(own.tokens) for own in batch])
        logits = (config.sharpness * said @ table.T).log_softmax(-1).transpose(0, 1)
        nats = functional.ctc_loss(logits, targets.to(device), lengths, counts, reduction="sum")
        loss = nats / counts.sum().item()
        _update(optimizer, loss, learned)
        told("words", step + 1, len(batches), float(loss.detach()))


def learn_sentences(
    llm: Backbone, prompt: Prompt, lessons: Sequence[Lesson], config: HearingConfig, *, told: Told
) -> int:
    """Train the projector by next-token cross-entropy behind the prompt: the second stage.

    Args:
        llm: With the projector as its way in; only that is trained.
        prompt: The words around the sound.
        lessons: What is learned from.
        config: How long, how fast.
        told: Told each step.

    Returns:
        Updates that were made.
    """
    assert llm.audio is not None  # an audio-LLM
    learned = list(llm.audio.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(learned, lr=config.rate)
    epochs = math.ceil(config.steps * config.batch / len(lessons)) + 1
    batches = _batches(len(lessons), config.batch, epochs, config.seed + 1)
    began, made = time.monotonic(), 0
    while made < config.steps:
        gone = (time.monotonic() - began) / (60 * (config.minutes or math.inf))
        if gone >= 1:
            break
        _pace(optimizer, config.rate * (1 - max(gone, made / config.steps)))
        batch = [lessons[row] for row in next(batches)]
        nats, _ = _teacher_forced(llm, prompt, batch, [own.sound for own in batch])
        loss = nats.mean()
        _update(optimizer, loss, learned)
        made += 1
        told("sentences", made, config.steps, float(loss.detach()))
    llm.audio.requires_grad_(False)
    return made


@torch.no_grad()
def surprise(
    llm: Backbone,
    prompt: Prompt,
    lessons: Sequence[Lesson],
    sounds: Sequence[Tensor],
    *,
    batch: int = 16,
) -> tuple[list[float], list[int]]:
    """Give the nats of each sentence and its end behind some sound, and how many tokens they are.

    Args:
        llm: An audio-LLM.
        prompt: The words around the sound.
        lessons: Whose sentences.
        sounds: One for each; it may be another one's, or of no length.
        batch: Sentences at a time.
    """
    totals: list[float] = []
    for start in range(0, len(lessons), batch):
        rows = slice(start, start + batch)
        nats, counts = _teacher_forced(llm, prompt, lessons[rows], sounds[rows])
        totals += [float(own.sum()) for own in torch.split(nats.double(), counts)]
    return totals, [len(own.tokens) + 1 for own in lessons]


@torch.no_grad()
def transcribe(
    llm: Backbone, prompt: Prompt, sounds: Sequence[Tensor], *, token_s: float
) -> list[str]:
    """Write down what is heard, free-running and greedily.

    Args:
        llm: An audio-LLM.
        prompt: The words around the sound.
        sounds: The recordings.
        token_s: Seconds of a token of theirs, from which the longest sentence follows.
    """
    rows = [_prompted(llm, prompt, sound) for sound in sounds]
    searches = [
        start_search(
            GreedyConfig(),
            row,
            TrialKey("speech", "synthesiser", "0", 0, row),
            seconds=len(sound) * token_s,
            end=prompt.end,
            words=None,
        )
        for row, sound in enumerate(sounds)
    ]
    run(Reader(llm, side_by_side(rows, pad="left")), searches)
    return [prompt.decode(search.best()[0].tokens) for search in searches]


def _teacher_forced(
    llm: Backbone, prompt: Prompt, lessons: Sequence[Lesson], sounds: Sequence[Tensor]
) -> tuple[Float[Tensor, " targets"], list[int]]:
    rows, labels = [], []
    for lesson, sound in zip(lessons, sounds, strict=True):
        before = _prompted(llm, prompt, sound)
        target = _numbers(llm, (*lesson.tokens, prompt.end))
        rows.append(torch.cat((before, llm.embed(target))))
        labels.append(torch.cat((target.new_full((len(before),), IGNORED), target)))
    sequences = side_by_side(rows, labels, pad="right")
    wanted = sequences.labels[:, 1:]
    chosen = wanted != IGNORED
    hidden = llm.read(sequences)[:, :-1]
    nats = sentence_nats(llm.predict(hidden[chosen]), wanted[chosen])
    return nats, [len(own.tokens) + 1 for own in lessons]


def _prompted(llm: Backbone, prompt: Prompt, sound: Tensor) -> Float[Tensor, "places width"]:
    before, after = (llm.embed(_numbers(llm, own)) for own in (prompt.before, prompt.after))
    heard = llm.hear(sound[None].to(before.device))[0]
    return torch.cat((before, heard.to(before.dtype), after))


def _numbers(llm: Backbone, tokens: Sequence[int]) -> Tensor:
    return torch.tensor(tokens, dtype=torch.int64, device=next(llm.causal.parameters()).device)


def _batches(n: int, size: int, epochs: int, seed: int) -> Iterator[list[int]]:
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        shuffled = order.permutation(n).tolist()
        yield from (shuffled[start : start + size] for start in range(0, n, size))


def _one_cycle(done: float) -> float:
    """Up in the first tenth, then down along a cosine."""
    return done / 0.1 if done < 0.1 else 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9))


def _pace(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _update(optimizer: Any, loss: Any, learned: list[Any]) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(learned, 1.0)
    optimizer.step()
