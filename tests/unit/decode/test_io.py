from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.decode.io import read_logits, read_nbest, write_logits, write_nbest
from sylvian.errors import DecodeError
from sylvian.text import phoneme_vocabulary
from sylvian.types import Hypothesis, Logits, NBest, Scores, TrialKey

VOCABULARY = phoneme_vocabulary()


def key(trial: int) -> TrialKey:
    return TrialKey("card2024", "T15", "2023-08-11", 3, trial)


def trial_logits(trial: int, n_frames: int) -> Logits:
    values = np.random.default_rng(trial).normal(size=(n_frames, 41)).astype(np.float32)
    return Logits(key(trial), values, 0.08, VOCABULARY)


finite = st.floats(allow_nan=False, allow_infinity=False)
candidates = st.tuples(
    st.text(alphabet="ab 'é\u2028", max_size=9),
    st.lists(st.sampled_from(VOCABULARY.tokens[1:])),
    st.tuples(finite, finite, st.integers(0, 9), st.none() | finite, st.none() | finite),
    st.lists(st.integers(0, 999)),
)


def built(text: str, tokens: list[str], scores: tuple, frames: list[int]) -> Hypothesis:
    return Hypothesis(text, tuple(tokens), Scores(*scores), tuple(frames))


@settings(deadline=None)
@given(st.lists(st.lists(candidates, min_size=1, max_size=3), max_size=3))
def test_nbest_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, lists: list) -> None:
    path = tmp_path_factory.mktemp("io") / "deep" / "nbest.jsonl"
    written = tuple(NBest(key(i), tuple(built(*parts) for parts in n)) for i, n in enumerate(lists))
    write_nbest(path, written)
    assert read_nbest(path) == written
    assert [p.name for p in path.parent.iterdir()] == ["nbest.jsonl"]


def test_a_file_from_before_end_to_end_scores_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nbest.jsonl"
    written = NBest(key(1), (Hypothesis("a", ("AA",), Scores(-1.0, -2.0, 1, -3.0), (4,)),))
    write_nbest(path, [written])
    assert '"end_to_end": null' in path.read_text()
    path.write_text(path.read_text().replace('"end_to_end": null, ', ""))
    assert "end_to_end" not in path.read_text()
    assert read_nbest(path) == (written,)


@pytest.mark.parametrize(
    "line",
    ["{", '{"key": "x"}', '{"key": "a/b/c/b1/t1", "hypotheses": []}', "[]"],
    ids=["truncated", "no hypotheses", "empty list", "no object"],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "nbest.jsonl"
    write_nbest(path, [NBest(key(1), (Hypothesis("a", (), Scores(-1.0)),))])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DecodeError, match=r"nbest\.jsonl:2: .*run 'sylvian decode' again"):
        read_nbest(path)


def test_logits_round_trip_keeps_order_and_bits(tmp_path: Path) -> None:
    path = tmp_path / "val" / "logits.safetensors"
    written = [trial_logits(7, 5), trial_logits(2, 0), trial_logits(4, 11)]
    write_logits(path, written)
    back = list(read_logits(path))
    assert [one.key for one in back] == [one.key for one in written]
    assert all(one.frame_s == 0.08 and one.vocabulary == VOCABULARY for one in back)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(back, written, strict=True))


def test_no_logits_at_all(tmp_path: Path) -> None:
    write_logits(tmp_path / "none.safetensors", [])
    assert list(read_logits(tmp_path / "none.safetensors")) == []


def test_logits_of_two_kinds_or_twice_are_refused(tmp_path: Path) -> None:
    one = trial_logits(1, 3)
    other = Logits(key(2), one.values, 0.1, VOCABULARY)
    with pytest.raises(DecodeError, match="distinct"):
        write_logits(tmp_path / "l.safetensors", [one, other])
    with pytest.raises(DecodeError, match="distinct"):
        write_logits(tmp_path / "l.safetensors", [one, one])


def test_damaged_logits_are_named(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    with pytest.raises(DecodeError, match=r"logits\.safetensors: cannot be read"):
        list(read_logits(path))
    write_logits(path, [trial_logits(1, 50)])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DecodeError, match=r"logits\.safetensors: cannot be read"):
        list(read_logits(path))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "nbest.jsonl"
    good = NBest(key(1), (Hypothesis("a", (), Scores(-1.0)),))
    write_nbest(path, [good])

    def interrupted():
        yield good
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_nbest(path, interrupted())
    assert read_nbest(path) == (good,)
    assert list(tmp_path.iterdir()) == [path]
