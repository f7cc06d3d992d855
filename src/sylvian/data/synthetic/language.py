"""What the simulated participants are asked to say: two prompt sets, each written by a grammar.

`50-Word` uses the fifty words of Moses et al. (2021); `Large` thousands of words, the rare ones in
a long tail. Grammars and word lists are text files in `resources/prompts`, written for Sylvian.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files

import numpy as np

from sylvian.data.synthetic.grammar import Grammar
from sylvian.errors import ConfigError
from sylvian.text import normalize_sentence

FIFTY = "50-Word"
LARGE = "Large"
PROMPT_SETS: tuple[str, ...] = (FIFTY, LARGE)
EVEN: Mapping[str, float] = {FIFTY: 0.5, LARGE: 0.5}

_MAX_WORDS = 12  # longer sentences are drawn again; few published prompts are longer
_PATIENCE = 2000  # draws in a row without a usable sentence before we say that none are left


@cache
def prompt_grammar(prompt_set: str) -> Grammar:
    """Return the grammar of a prompt set, read once per process.

    Raises:
        ConfigError: there is no such prompt set.
    """
    folder = files("sylvian") / "resources" / "prompts"
    if prompt_set == FIFTY:
        return Grammar((folder / "fifty.txt").read_text("utf-8"))
    if prompt_set == LARGE:
        rules, words = (folder / name for name in ("large.txt", "words.txt"))
        return Grammar(rules.read_text("utf-8"), words.read_text("utf-8"))
    raise ConfigError(f"unknown prompt set {prompt_set!r}; there are: {', '.join(PROMPT_SETS)}")


def draw_prompts(
    prompt_set: str,
    n: int,
    rng: np.random.Generator,
    *,
    exclude: Collection[str] = (),
    max_words: int = _MAX_WORDS,
) -> list[str]:
    """Draw sentences independently, so that common ones come back.

    Args:
        prompt_set: `50-Word` or `Large`.
        n: How many sentences.
        rng: Source of randomness.
        exclude: Sentences that must not occur, whatever their capitals and punctuation.
        max_words: Longest sentence to accept.

    Raises:
        ConfigError: the prompt set is unknown, or nearly every sentence is excluded.
    """
    source = _prompts(prompt_set, rng, {normalize_sentence(text) for text in exclude}, max_words)
    return [next(source) for _ in range(n)]


def lm_text(
    n: int, seed: int, *, exclude: Collection[str] = (), shares: Mapping[str, float] = EVEN
) -> list[str]:
    """Write text for a language model, from the distribution the prompts are drawn from.

    Args:
        n: How many sentences.
        seed: Equal seeds give equal text.
        exclude: Held-out sentences; none of them occurs, whatever its capitals and punctuation.
        shares: Share of each prompt set; scaled to sum to one.

    Raises:
        ConfigError: a prompt set is unknown, no share is positive, or nearly all is excluded.
    """
    rng = np.random.default_rng(seed)
    weights = np.array(list(shares.values()), float)
    if not weights.size or weights.min() < 0 or weights.sum() <= 0:
        raise ConfigError(f"shares {dict(shares)} must be positive; e.g. {dict(EVEN)}")
    taken = {normalize_sentence(text) for text in exclude}
    sources = [_prompts(prompt_set, rng, taken, _MAX_WORDS) for prompt_set in shares]
    return [next(sources[i]) for i in rng.choice(len(sources), n, p=weights / weights.sum())]


def _prompts(
    prompt_set: str, rng: np.random.Generator, taken: Collection[str], max_words: int
) -> Iterator[str]:
    grammar = prompt_grammar(prompt_set)
    misses = 0
    while misses < _PATIENCE:
        sentence = grammar.sentence(rng)
        words = normalize_sentence(sentence)
        if words.count(" ") < max_words and words not in taken:
            misses = 0
            yield sentence
        misses += 1
    raise ConfigError(
        f"prompt set {prompt_set!r}: {_PATIENCE} sentences in a row were excluded or longer than "
        f"{max_words} words; exclude fewer or allow longer ones"
    )
