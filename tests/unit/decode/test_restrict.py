import math

import pytest

from sylvian.decode.arpa import EOS, ArpaModel
from sylvian.decode.ngram import build_ngram
from sylvian.decode.restrict import restrict
from sylvian.errors import DecodeError

TEXT = [
    "i am good",
    "i am very good",
    "you are good",
    "you are a good dog",
    "the dog is good",
    "i am a dog",
    "bring the good dog",
] * 2 + ["very very good dog", "am i a dog"]
KEPT = ("i", "am", "good", "very", "you", "are", "tired")
PASTS = [[], ["i"], ["i", "am"], ["am", "very"], ["you", "are"], ["good", "good"], ["are", "am"]]


def after(model: ArpaModel, past: list[str], word: str) -> float:
    state = model.start()
    for said in past:
        _, state = model.score(state, said)
    return math.exp(model.score(state, word)[0])


@pytest.mark.parametrize("prune", [(), (0, 1, 1)])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_restricted_model_is_the_model_given_that_no_other_word_is_said(
    order: int, prune: tuple[int, ...]
) -> None:
    model = build_ngram(TEXT, order=order, prune=prune)
    found = restrict(model, KEPT)
    possible = [*KEPT, EOS]  # nobody ever said "tired": the model scores it as unknown
    assert set(found.words) == set(KEPT)
    for past in PASTS:
        total = sum(after(model, past, word) for word in possible)
        for word in possible:
            expected = after(model, past, word) / total
            assert after(found, past, word) == pytest.approx(expected, rel=1e-4)


def test_words_that_never_occur_stay_where_the_model_knows_them() -> None:
    model = build_ngram(TEXT, order=3, vocabulary=KEPT)
    found = restrict(model, KEPT)
    assert set(found.words) == set(KEPT)
    assert 0 < after(found, ["i", "am"], "tired") < after(found, ["i", "am"], "good")
    assert sum(after(found, ["i"], word) for word in (*KEPT, EOS)) == pytest.approx(1, rel=1e-4)


def test_words_the_model_does_not_know_share_what_is_left_for_them() -> None:
    model = build_ngram(TEXT, order=3)
    found = restrict(model, [*KEPT, "hungry"])
    assert after(found, ["i"], "tired") == pytest.approx(after(found, ["i"], "hungry"))
    words = (*KEPT, "hungry", EOS)
    for past in PASTS:
        assert sum(after(found, past, word) for word in words) == pytest.approx(1, rel=1e-4)
    closed = restrict(model, model.words)  # without <unk>
    lent = restrict(closed, [*KEPT, "hungry"])
    assert sum(after(lent, ["i", "am"], word) for word in words) == pytest.approx(1, rel=1e-4)
    assert after(lent, [], "hungry") == pytest.approx(min(after(lent, [], w) for w in KEPT))


def test_a_model_of_other_words_is_refused() -> None:
    with pytest.raises(DecodeError, match="none of the 1 words to decode .* another word_set"):
        restrict(build_ngram(TEXT, order=2), ["zebra"])
