"""Generation held to known words, whatever pieces the tokenizer cuts them into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor

from sylvian.errors import DecodeError
from sylvian.models.prompts import Prompt

_BETWEEN = " "


@dataclass(slots=True, eq=False)
class _Node:
    """A place within a word: which tokens go on, and whether the word may be over.

    Attributes:
        missing: Tokens to the end of the word that is over first.
    """

    children: dict[int, _Node] = field(default_factory=dict)
    is_word: bool = False
    missing: int = 0

    def onward(self, room: int) -> set[int]:
        """Give the tokens that leave enough of the room to end a word."""
        return {token for token, child in self.children.items() if child.missing < room}


class WordConstraint:
    """Which tokens may follow, so that only known words are written.

    A sentence may also be empty. Words cut as the tokenizer cuts them alone, behind a space, are
    the only ones found; a tokenizer that joins words across spaces does not suit.

    Args:
        prompt: Whose tokenizer, separator and end.
        words: Spelled as they are to be written.

    Raises:
        DecodeError: there are no words.
    """

    def __init__(self, prompt: Prompt, words: Iterable[str]) -> None:
        known = sorted({word for word in words if word.strip()})
        if not known:
            raise DecodeError("no words to hold generation to; give a lexicon with some")
        self._end = prompt.end
        self._next = _trie(prompt, _BETWEEN, known)
        separator = prompt.config.separator
        self._first = self._next if separator == _BETWEEN else _trie(prompt, separator, known)
        self._known: dict[tuple[frozenset[int], int], Int64[Tensor, " allowed"]] = {}
        self._longest = max(_measure(self._next), _measure(self._first))

    def allowed(
        self, tokens: tuple[int, ...], *, room: int | None = None
    ) -> Int64[Tensor, " allowed"]:
        """Give the tokens that may follow, in ascending order; none where no word begins so.

        Args:
            tokens: The sentence so far.
            room: How many tokens it may still get; no word is begun, or gone on with, that could
                not be ended in it. None: as many as any word takes.
        """
        places = self._places(tokens)
        room = self._longest if room is None else min(room, self._longest)
        key = frozenset(map(id, places)), room
        if key not in self._known:
            after = {token for place in places for token in place.onward(room)}
            if not tokens or any(place.is_word for place in places):
                after.add(self._end)
            if any(place.is_word for place in places):
                after |= self._next.onward(room)
            self._known[key] = torch.tensor(sorted(after), dtype=torch.int64)
        return self._known[key]

    def _places(self, tokens: tuple[int, ...]) -> list[_Node]:
        """Follow every way of reading tokens as words: a word may begin another, longer one."""
        places = [self._first]
        for token in tokens:
            onward = [place.children[token] for place in places if token in place.children]
            over = any(place.is_word for place in places)
            if over and token in self._next.children:
                onward.append(self._next.children[token])
            places = list(dict.fromkeys(onward))
        return places


def _trie(prompt: Prompt, before: str, words: list[str]) -> _Node:
    root = _Node()
    pieces = prompt.tokenizer([before + word for word in words], add_special_tokens=False)
    for tokens in pieces["input_ids"]:
        place = root
        for token in tokens:
            place = place.children.setdefault(token, _Node())
        place.is_word = True
    return root


def _measure(place: _Node) -> int:
    """Count, below every place, the tokens to the nearest end of a word; return the farthest."""
    farthest = max((1 + _measure(child) for child in place.children.values()), default=0)
    nearest = min((1 + child.missing for child in place.children.values()), default=0)
    place.missing = 0 if place.is_word else nearest
    return farthest
