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
    """A place within a word: which tokens go on, and whether the word may be over."""

    children: dict[int, _Node] = field(default_factory=dict)
    is_word: bool = False


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
        self._known: dict[frozenset[int], Int64[Tensor, " allowed"]] = {}

    def allowed(self, tokens: tuple[int, ...]) -> Int64[Tensor, " allowed"]:
        """Give the tokens that may follow, in ascending order; none where no word begins so."""
        places = self._places(tokens)
        key = frozenset(map(id, places))
        if key not in self._known:
            after = {token for place in places for token in place.children}
            if not tokens or any(place.is_word for place in places):
                after.add(self._end)
            if any(place.is_word for place in places):
                after |= self._next.children.keys()
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
