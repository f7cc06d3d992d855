"""Kneser-Ney by definition: dictionaries and loops, sums over the whole vocabulary."""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sylvian.decode.ngram import ArpaModel, build_ngram

TEXT = """a rose is a rose
is a rose a rose
the rose is red
a red rose
is it red
it is a red red rose
the end is the end
it is it
a rose
a rose
red
red
the rose the rose the rose
it is red
so it is
so it goes
so a rose is so red
the red rose is the end
""".splitlines()


class Definition:
    """Interpolated modified Kneser-Ney as Chen and Goodman 1998 write it, n-gram by n-gram."""

    def __init__(self, sentences: list[str], order: int) -> None:
        padded = [("<s>", *s.split(), "</s>") for s in sentences if s.split()]
        self.order = order
        self.words = sorted({w for s in padded for w in s} - {"<s>"} | {"<unk>"})
        self.raw = [
            Counter(s[i : i + n] for s in padded for i in range(len(s) - n + 1))
            for n in range(1, order + 1)
        ]
        self.discount = [self.discounts(n) for n in range(1, order + 1)]

    def count(self, gram: tuple[str, ...]) -> int:
        if len(gram) == self.order or gram[0] == "<s>":
            return 0 if gram == ("<s>",) else self.raw[len(gram) - 1][gram]
        return sum(longer[1:] == gram for longer in self.raw[len(gram)])

    def discounts(self, n: int) -> list[float]:
        of = Counter(self.count(gram) for gram in self.raw[n - 1])
        if not (of[1] and of[2] and of[3]):
            return [0.0, 0.5, 1.0, 1.5]
        y = of[1] / (of[1] + 2 * of[2])
        found = [0.0] + [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
        return found if min(found[1:]) > 0 else [0.0, 0.5, 1.0, 1.5]

    def p(self, word: str, context: tuple[str, ...]) -> float:
        lower = self.p(word, context[1:]) if context else 1 / len(self.words)
        after = {w: self.count((*context, w)) for w in self.words}
        total = sum(after.values())
        if total == 0:
            return lower
        d = self.discount[len(context)]
        left_over = sum(d[min(c, 3)] for c in after.values()) / total
        return (after[word] - d[min(after[word], 3)]) / total + left_over * lower


def context_state(model: ArpaModel, context: tuple[str, ...]) -> int:
    state = model.start() if context[:1] == ("<s>",) else 0
    for word in context[context[:1] == ("<s>",) :]:
        _, state = model.score(state, word)
    return state


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_are_the_definitions(order: int) -> None:
    model, truth = build_ngram(TEXT, order=order), Definition(TEXT, order)
    contexts = {gram for counts in truth.raw[: order - 1] for gram in counts if gram[-1] != "</s>"}
    assert len(contexts) >= 10 or order == 1
    for context in {(), *contexts}:
        for word in truth.words:
            nats, _ = model.score(context_state(model, context), word)
            assert math.exp(nats) == pytest.approx(truth.p(word, context), rel=1e-5)


texts = st.lists(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=7).map(" ".join), min_size=1, max_size=20
)


@settings(max_examples=40, deadline=None)
@given(texts, st.integers(1, 5), st.sampled_from([(), (0, 1), (0, 0, 1), (0, 0, 1, 2)]))
@example(["a a", "a b b a a a"], 3, ())  # a discount of 0 left nothing to words not seen
def test_probabilities_sum_to_one_in_every_context(
    text: list[str], order: int, prune: tuple[int, ...]
) -> None:
    model = build_ngram(text, order=order, prune=prune, vocabulary="abce")
    words = [s for s in model.symbols if s != "<s>"]
    assert set(words) == {"</s>", "<unk>", "a", "b", "c", "e"}
    for context in itertools.product("abcz", repeat=min(order - 1, 2)):
        for begin in ((), ("<s>",)):
            state = context_state(model, (*begin, *context))
            assert sum(math.exp(model.score(state, w)[0]) for w in words) == pytest.approx(
                1, abs=1e-5
            )


def test_discounts_of_a_natural_text_are_estimated() -> None:
    truth = Definition(TEXT, 2)
    assert truth.discount[1] != [0.0, 0.5, 1.0, 1.5], "the text no longer tests the estimate"
