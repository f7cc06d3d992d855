"""Search for sentences with a language model: one trial's prefixes, and who reads them on."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from sylvian.config import Config
from sylvian.errors import DecodeError
from sylvian.models.backbones import Backbone
from sylvian.models.sequences import Sequences
from sylvian.models.word_constraint import WordConstraint
from sylvian.types import TrialKey


class _GenerationConfig(Config):
    tokens_per_s: float = Field(5.0, ge=0, description="room for tokens per second of recording")
    least_tokens: int = Field(5, gt=0, description="room for tokens whatever the length")
    most_tokens: int = Field(64, gt=0, description="never more tokens than this")

    def cap(self, seconds: float) -> int:
        """Give the most tokens of a trial, its end included."""
        return min(self.most_tokens, self.least_tokens + math.ceil(self.tokens_per_s * seconds))


class GreedyConfig(_GenerationConfig):
    """The likeliest token at every place."""

    kind: Literal["greedy"] = "greedy"


class BeamConfig(_GenerationConfig):
    """The likeliest sentences found with a fixed number of prefixes kept."""

    kind: Literal["beam"] = "beam"
    beams: int = Field(5, gt=0, description="prefixes kept at every place")
    n_best: int = Field(5, gt=0, description="candidates returned")
    length_power: float = Field(
        0.0, ge=0, description="candidates are ranked by log-probability over length to this power"
    )


class NucleusConfig(_GenerationConfig):
    """Samples from the likeliest tokens that together reach a probability (dossier §6.7)."""

    kind: Literal["nucleus"] = "nucleus"
    p: float = Field(0.9, gt=0, le=1, description="probability of the tokens drawn from")
    temperature: float = Field(0.7, gt=0, description="below 1 sharpens")
    samples: int = Field(1, gt=0, description="sentences drawn per trial")
    seed: int = Field(0, ge=0, description="with a trial's key it decides what is drawn")


GenerationConfig = Annotated[GreedyConfig | BeamConfig | NucleusConfig, Field(discriminator="kind")]


Others = Callable[[bool], bool]
"""Says whether any of several processes goes on, when told whether this one does."""


class Reader:
    """A language model that reads on behind some prompts, padded on the left.

    Raises:
        DecodeError: the language model answers with NaN, now or later.
    """

    def __init__(self, llm: Backbone, prompts: Sequences) -> None:
        from transformers import DynamicCache

        self._llm, self._cache = llm, DynamicCache()
        self._real, self._last = prompts.real.long(), prompts.positions[:, -1:]
        logits = llm.step(prompts.embeds, self._real, prompts.positions, self._cache)
        self.log_probs = normalized(logits)

    def read(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Go on with chosen rows, in their new order, each by one token."""
        chosen = torch.tensor(rows, device=self._real.device)
        self._cache.batch_select_indices(chosen)
        self._real = functional.pad(self._real[chosen], (0, 1), value=1)
        self._last = self._last[chosen] + 1
        new = self._llm.embed(torch.tensor(tokens, device=chosen.device).unsqueeze(1))
        logits = self._llm.step(new, self._real, self._last, self._cache)
        self.log_probs = normalized(logits)


@dataclass(slots=True)
class Prefix:
    """Some tokens, their log-probability, and the reader's row that has read all but the last."""

    row: int
    tokens: tuple[int, ...] = ()
    nats: float = 0.0


@dataclass(frozen=True, slots=True)
class Closed:
    """A sentence that ended, or that the cap cut short."""

    tokens: tuple[int, ...]
    nats: float
    finished: bool

    @property
    def length(self) -> int:
        """Tokens, the end included."""
        return len(self.tokens) + self.finished


class Search(ABC):
    """The search for one trial's sentences: what is open, and what is closed.

    Args:
        row: The trial's row in the reader.
        cap: Most tokens, the end included.
        end: The token that ends a sentence.
        words: What may be written; None: anything.
        copies: Prefixes at the start.
    """

    def __init__(
        self, row: int, *, cap: int, end: int, words: WordConstraint | None, copies: int = 1
    ) -> None:
        self.cap, self.end, self.words = cap, end, words
        self.open = [Prefix(row) for _ in range(copies)]
        self.closed: list[Closed] = []

    @abstractmethod
    def advance(self, log_probs: Float[Tensor, "rows tokens"]) -> None:
        """Take every open prefix one token further; close what ends or reaches the cap."""

    def held(self, own: Prefix, log_probs: Float[Tensor, "rows tokens"]) -> Tensor:
        """Give a prefix's log-probabilities, minus infinity where no known word goes on so.

        They are not normalised again: a sentence keeps the number it has without the constraint.
        """
        row = log_probs[own.row]
        if self.words is None:
            return row
        room = self.cap - len(own.tokens)
        allowed = self.words.allowed(own.tokens, room=room).to(row.device)
        return torch.full_like(row, -math.inf).index_copy(0, allowed, row[allowed])

    @abstractmethod
    def best(self) -> list[Closed]:
        """Give what was closed, best first; sentences that ended before those cut short."""


class BeamSearch(Search):
    """Keeps the `beams` best prefixes; a sentence ends where its end is among the best, too."""

    def __init__(
        self, config: BeamConfig, row: int, *, cap: int, end: int, words: WordConstraint | None
    ) -> None:
        super().__init__(row, cap=cap, end=end, words=words)
        self.config = config

    def advance(self, log_probs: Tensor) -> None:
        """See `Search.advance`."""
        scores = torch.stack([own.nats + self.held(own, log_probs).double() for own in self.open])
        best = scores.flatten().topk(min(scores.numel(), 2 * self.config.beams))
        prefixes, self.open = self.open, []
        for rank, (nats, place) in enumerate(
            zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            if nats == -math.inf:
                break
            prefix, token = prefixes[place // scores.shape[1]], place % scores.shape[1]
            if token != self.end and len(self.open) < self.config.beams:
                self.open.append(Prefix(prefix.row, (*prefix.tokens, token), nats))
            elif token == self.end and rank < self.config.beams:
                self.closed.append(Closed(prefix.tokens, nats, finished=True))
        if self._settled():
            self.open = []
        elif self.open and len(self.open[0].tokens) == self.cap:
            self.closed += [Closed(own.tokens, own.nats, finished=False) for own in self.open]
            self.open = []

    def best(self) -> list[Closed]:
        """See `Search.best`."""
        ranked = sorted(self.closed, key=lambda own: (not own.finished, -self._rank(own)))
        return ranked[: self.config.n_best]

    def _rank(self, own: Closed) -> float:
        return own.nats / math.pow(own.length, self.config.length_power)

    def _settled(self) -> bool:
        """Tell whether no open prefix can still enter the n-best."""
        if len(self.closed) < self.config.n_best or not self.open:
            return False
        longest = math.pow(self.cap, self.config.length_power)
        at_best = max(own.nats for own in self.open) / longest
        return at_best <= self._rank(self.best()[-1])


class Sampling(Search):
    """Draws some sentences, independently of one another and of batch mates."""

    def __init__(
        self,
        config: NucleusConfig,
        row: int,
        key: TrialKey,
        *,
        cap: int,
        end: int,
        words: WordConstraint | None,
    ) -> None:
        super().__init__(row, cap=cap, end=end, words=words, copies=config.samples)
        self.config = config
        self._generator = torch.Generator().manual_seed(_seed(config.seed, key))

    def advance(self, log_probs: Tensor) -> None:
        """See `Search.advance`."""
        prefixes, self.open = self.open, []
        for own in prefixes:
            token = self._draw(self.held(own, log_probs))
            nats = own.nats + float(log_probs[own.row, token])
            if token == self.end:
                self.closed.append(Closed(own.tokens, nats, finished=True))
            elif len(own.tokens) + 1 == self.cap:
                self.closed.append(Closed((*own.tokens, token), nats, finished=False))
            else:
                self.open.append(Prefix(own.row, (*own.tokens, token), nats))

    def best(self) -> list[Closed]:
        """See `Search.best`; sentences drawn twice are given once."""
        different = {own.tokens: own for own in self.closed}.values()
        return sorted(different, key=lambda own: (not own.finished, -own.nats))

    def _draw(self, log_probs: Float[Tensor, " tokens"]) -> int:
        sharpened = (log_probs / self.config.temperature).double().softmax(-1)
        probs, tokens = sharpened.sort(descending=True)
        reached = probs.cumsum(0)
        n_kept = int((reached - probs < self.config.p).sum())
        u = torch.rand((), generator=self._generator, dtype=torch.float64).item()
        place = int((reached[:n_kept] <= u * reached[n_kept - 1]).sum())
        return int(tokens[min(place, n_kept - 1)])


def start_search(
    config: GreedyConfig | BeamConfig | NucleusConfig,
    row: int,
    key: TrialKey,
    *,
    seconds: float,
    end: int,
    words: WordConstraint | None = None,
) -> Search:
    """Begin the search that a config asks for.

    Args:
        config: Which search.
        row: The trial's row in the reader.
        key: Decides, with the seed, what is drawn.
        seconds: Length of the recording; decides the cap.
        end: The token that ends a sentence.
        words: What may be written; None: anything.
    """
    cap = config.cap(seconds)
    match config:
        case GreedyConfig():
            return BeamSearch(BeamConfig(beams=1, n_best=1), row, cap=cap, end=end, words=words)
        case BeamConfig():
            return BeamSearch(config, row, cap=cap, end=end, words=words)
        case NucleusConfig():
            return Sampling(config, row, key, cap=cap, end=end, words=words)


def run(reader: Reader, searches: Sequence[Search], *, others: Others | None = None) -> None:
    """Take all trials to their ends together; those that are done leave the batch.

    Args:
        reader: Has read the prompts.
        searches: One for each trial.
        others: Where the language model can only be called by all processes together; whoever is
            done reads on for the others' sake, and nobody looks at what.
    """
    while True:
        for search in searches:
            if search.open:
                search.advance(reader.log_probs)
        prefixes = [own for search in searches for own in search.open]
        if not (bool(prefixes) if others is None else others(bool(prefixes))):
            return
        if not prefixes:
            reader.read([0], [0])
            continue
        reader.read([own.row for own in prefixes], [own.tokens[-1] for own in prefixes])
        for row, own in enumerate(prefixes):
            own.row = row


def normalized(logits: Float[Tensor, "rows tokens"]) -> Float[Tensor, "rows tokens"]:
    """Turn a language model's logits into log-probabilities.

    Raises:
        DecodeError: it answered with NaN.
    """
    if bool(logits.isnan().any()):
        raise DecodeError(
            "the language model answers with NaN; its weights or the features are damaged, or "
            "float16 overflowed: use bfloat16"
        )
    return logits.log_softmax(-1)


def _seed(seed: int, key: TrialKey) -> int:
    digest = hashlib.sha256(f"{seed} {key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
