"""Sentences out of a language model: greedy, beam and nucleus, free-running."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from sylvian.errors import DecodeError
from sylvian.models.batch import Batch
from sylvian.models.prompts import Prompt
from sylvian.models.sentence_scores import score_behind
from sylvian.models.sentence_search import (
    BeamConfig,
    Closed,
    GreedyConfig,
    NucleusConfig,
    Others,
    Reader,
    run,
    start_search,
)
from sylvian.models.sequences import Sequences
from sylvian.models.speechllm import Neural, SpeechLlm
from sylvian.models.word_constraint import WordConstraint
from sylvian.text import normalize_sentence
from sylvian.types import Hypothesis, NBest, Scores, TrialKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated sentence.

    Attributes:
        text: As the tokenizer writes it; empty where nothing was generated.
        tokens: Its tokens without the end.
        nats: Log-probability under the language model, untempered, of its tokens and its end.
        finished: False where the cap cut it short; `nats` then has no end.
    """

    text: str
    tokens: tuple[int, ...]
    nats: float
    finished: bool


@dataclass(frozen=True, slots=True)
class Generated:
    """The candidates for one trial, best first, never none."""

    key: TrialKey
    candidates: tuple[Candidate, ...]

    def nbest(self) -> NBest:
        """Give normalised hypotheses, without repeats; an empty sentence stays one.

        A candidate's log-probability is its `end_to_end` score: it is one number that knows both
        the recording and the language.
        """
        found: dict[str, Hypothesis] = {}
        for own in self.candidates:
            text = normalize_sentence(own.text)
            scores = Scores(0.0, n_words=len(text.split()), end_to_end=own.nats)
            found.setdefault(text, Hypothesis(text, (), scores))
        return NBest(self.key, tuple(found.values()))


@torch.no_grad()
def generate(
    model: SpeechLlm,
    batch: Batch,
    config: GreedyConfig | BeamConfig | NucleusConfig,
    *,
    words: WordConstraint | None = None,
    others: Others | None = None,
) -> tuple[Generated, ...]:
    """Generate sentences for a batch, free-running, with a key-value cache.

    What a trial gets does not depend on its batch mates. The model's training flag is put back
    afterwards.

    Args:
        model: What speaks.
        batch: The recordings.
        config: Which search, and how long sentences may get.
        words: What may be written; None: anything.
        others: Where the model is kept in shards; see `run`.

    Raises:
        DecodeError: the language model answers with NaN, or has too few places for a prompt.
    """
    was_training = model.training
    model.eval()
    try:
        prompts = model.prompts(model.listen(batch))
        _require_room(model, batch, prompts, config)
        searches = [
            start_search(config, row, key, seconds=seconds, end=model.prompt.end, words=words)
            for row, (key, seconds) in enumerate(zip(batch.keys, _seconds(batch), strict=True))
        ]
        run(Reader(model.llm, prompts), searches, others=others)
    finally:
        model.train(was_training)
    return tuple(
        Generated(key, tuple(_candidate(model.prompt, own) for own in search.best()))
        for key, search in zip(batch.keys, searches, strict=True)
    )


@torch.no_grad()
def score_sentences(
    model: SpeechLlm, batch: Batch, candidates: Sequence[Sequence[str]]
) -> list[list[float | None]]:
    """Give the log-probability of given sentences and their ends, in nats, by teacher forcing.

    This rescores another decoder's n-best; it is no error rate. An empty sentence is scored as an
    end alone. The cap of training, the prompt's `max_tokens`, is none here. A trial's prompt is
    read once, and what its sentences begin alike, too. The model's training flag is put back
    afterwards.

    Args:
        model: What scores.
        batch: The recordings.
        candidates: Sentences for each of them.

    Returns:
        For each recording a number a sentence; None for one that ends behind the last place of a
        language model that learned its places one by one.

    Raises:
        DecodeError: the language model answers with NaN, or cannot read on behind a prompt; the
            message starts with the trial.
    """
    was_training = model.training
    model.eval()
    try:
        neural = model.listen(batch)
        return [
            _scores(model, key, neural.only(row, 1), own) if own else []
            for row, (key, own) in enumerate(zip(batch.keys, candidates, strict=True))
        ]
    finally:
        model.train(was_training)


def _scores(
    model: SpeechLlm, key: TrialKey, neural: Neural, sentences: Sequence[str]
) -> list[float | None]:
    end = (model.prompt.end,)
    encode = partial(model.prompt.encode, capped=False)
    tokens = [(encode(own) if own.strip() else ()) + end for own in sentences]
    prompt, most = model.prompts(neural), model.llm.most_places
    room = math.inf if most is None else most + 1 - prompt.embeds.shape[1]  # an end is not read
    read = [own for own in tokens if len(own) <= room]
    try:
        nats = iter(score_behind(model.llm, prompt, read) if read else ())
    except DecodeError as failure:
        raise DecodeError(f"{key}: {failure}") from None
    return [next(nats) if len(own) <= room else None for own in tokens]


def _require_room(
    model: SpeechLlm,
    batch: Batch,
    prompts: Sequences,
    config: GreedyConfig | BeamConfig | NucleusConfig,
) -> None:
    most = model.llm.most_places
    if most is None:
        return
    lengths = prompts.real.sum(1).tolist()
    for key, seconds, n in zip(batch.keys, _seconds(batch), lengths, strict=True):
        cap = config.cap(seconds)
        if n + cap - 1 > most:  # the last token is not read
            raise DecodeError(
                f"{key}: {n} tokens of prompt and up to {cap} of sentence, but "
                f"{model.llm.identity.architecture} has {most} places; lower generate.most_tokens, "
                "join more frames (projector.kind=stacking), or use a model with a longer context"
            )


def _seconds(batch: Batch) -> list[float]:
    return [n_bins * batch.bin_s for n_bins in batch.n_bins.tolist()]


def _candidate(prompt: Prompt, own: Closed) -> Candidate:
    return Candidate(prompt.decode(own.tokens), own.tokens, own.nats, own.finished)
