from pathlib import Path

import pytest

from sylvian.decode.scorecache import SAMPLE, ScoreCache, score_texts


class Reader:
    name, digest = "reader", "abc"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score_sentences(self, texts: list[str]) -> list[float]:
        self.read += texts
        return [-float(len(text)) for text in texts]


def test_only_new_sentences_are_read_and_all_are_answered(tmp_path: Path) -> None:
    cache, reader = ScoreCache(tmp_path / "scores.sqlite"), Reader()
    first = score_texts(["bb", "a", "bb"], reader, cache=cache)
    assert (first.nats, first.n_known, reader.read) == ({"a": -1.0, "bb": -2.0}, 0, ["a", "bb"])
    more = score_texts(["bb", "a", "cc", "dd"], reader, cache=cache)
    assert more.n_known == 2 and more.nats["dd"] == -2.0
    assert reader.read[2:] == ["cc", "dd"]


def test_what_reading_takes_is_known_even_of_known_sentences(tmp_path: Path) -> None:
    cache, reader = ScoreCache(tmp_path / "scores.sqlite"), Reader()
    texts = [f"word {n:03}" for n in range(3 * SAMPLE)]
    score_texts(texts, reader, cache=cache)
    cache.add("abc", {texts[0]: -99.0})
    reader.read.clear()
    again = score_texts(texts, reader, cache=cache)
    assert again.seconds > 0.0 and again.n_known == len(texts)
    assert reader.read == texts[:SAMPLE]
    assert again.nats[texts[0]] == -99.0  # the sample is for the clock alone


@pytest.mark.parametrize("n", [0, 1])
def test_few_sentences(n: int) -> None:
    found = score_texts(["a"] * n, Reader())
    assert len(found.nats) == n and found.seconds >= 0.0
