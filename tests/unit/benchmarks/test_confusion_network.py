import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _confusion_network import N_GAP, STRIDE, TOKENS, align_network, interleave, place
from _t15_decodes import Heard

AA, B, K, SIL = (TOKENS.encode([name])[0] for name in ("AA", "B", "K", "SIL"))
SENTENCE = ("K", "AA", "B", "SIL")

strings = st.lists(
    st.sampled_from(("AA", "IY", "B", "K", "S", "SIL")), min_size=1, max_size=12
).map(tuple)


def collapse(frames: np.ndarray) -> tuple[str, ...]:
    kept = [c for c, before in zip(frames, [0, *frames], strict=False) if c != 0 and c != before]
    return TOKENS.decode([int(c) for c in kept])


def test_equal_strings_fill_the_slots_and_no_gap() -> None:
    slots, gaps = place(SENTENCE, SENTENCE)
    assert slots.tolist() == [K, AA, B, SIL]
    assert not gaps.any()


def test_a_missed_phoneme_falls_into_its_gap_and_a_spurious_one_becomes_nothing() -> None:
    slots, gaps = place(SENTENCE, ("K", "AA", "B", "AA", "SIL"))
    assert slots.tolist() == [K, AA, B, SIL]
    assert gaps[3].tolist() == [AA, 0]
    slots, gaps = place(SENTENCE, ("K", "B", "SIL"))
    assert slots.tolist() == [K, 0, B, SIL]
    assert not gaps.any()


def test_vowels_stand_for_vowels_rather_than_for_consonants() -> None:
    slots, gaps = place(("AA", "SIL"), ("S", "IY", "SIL"))
    assert slots[0] == TOKENS.encode(["IY"])[0]
    assert gaps[0, 0] == TOKENS.encode(["S"])[0]


def test_the_end_of_a_word_stands_for_nothing_else() -> None:
    slots, _ = place(("K", "SIL", "B"), ("K", "S", "B"))
    assert slots[1] == 0


@given(pivot=strings, said=strings)
def test_frames_collapse_to_what_was_said(pivot: tuple[str, ...], said: tuple[str, ...]) -> None:
    said = tuple(t for t, before in zip(said, (None, *said), strict=False) if t != before)
    slots, gaps = place(pivot, said)
    if np.count_nonzero(slots) + np.count_nonzero(gaps) < len(said):
        return  # more than two insertions in a gap: some are left out
    frames = interleave(slots, gaps)
    assert len(frames) == len(pivot) * STRIDE + N_GAP
    assert collapse(frames) == said


def test_shares_follow_the_scores_and_add_up() -> None:
    heard = Heard((SENTENCE, ("K", "AA", "SIL"), ("B", "K", "AA", "B", "SIL")), (-1.0, -2.0, -3.0))
    network = align_network(heard)
    shares = np.exp([-1.0, -2.0, -3.0]) / np.exp([-1.0, -2.0, -3.0]).sum()
    assert network.slots.sum(axis=1) == pytest.approx(1.0)
    assert network.gaps.sum(axis=2) == pytest.approx(1.0)
    assert network.slots[2, 0] == pytest.approx(shares[1])
    assert network.gaps[0, 0, B] == pytest.approx(shares[2])


def test_hypotheses_without_scores_count_alike() -> None:
    network = align_network(Heard((SENTENCE, ("K", "AA", "SIL"))))
    assert network.slots[2, 0] == pytest.approx(0.5)
