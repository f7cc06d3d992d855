import math

import numpy as np
import pytest

from sylvian.data.synthetic.articulation import gestures
from sylvian.evaluate.pairs import PAPER, confused_pairs
from sylvian.evaluate.resampling import resampled_sums, shares
from sylvian.text import PHONES

Trials = list[tuple[list[str], list[str]]]


def planted(share: float, *, n_trials: int = 300) -> Trials:
    """Phonemes of which every tenth is wrong; of the wrong ones `share` are B for P or P for B."""
    rng = np.random.default_rng(1)
    others = [p for p in PHONES if p not in ("B", "P")]
    trials: Trials = []
    for _ in range(n_trials):
        true, said = [], []
        for _ in range(30):
            if rng.random() > 0.1:
                one = other = str(rng.choice(PHONES))
            elif rng.random() < share:
                one, other = rng.permutation(["B", "P"])
            else:
                one, other = rng.choice(others, size=2, replace=False)
            true += ["SIL", str(one)]
            said += ["SIL", str(other)]
        trials.append((true, said))
    return trials


def test_a_planted_pair_tops_the_list_with_its_share() -> None:
    found = confused_pairs(planted(0.4), n=5)
    assert (found[0].name, found[0].rank) == ("B/P", 1)
    assert found[0].share.low < 0.4 < found[0].share.high
    assert found[0].share.high - found[0].share.low < 0.12
    assert found[0].forward == pytest.approx(found[0].backward, rel=0.35)
    assert found[1].share.value < 0.05
    assert len(found) == 5


def test_nothing_planted_nothing_found() -> None:
    found = confused_pairs(planted(0.0), n=3, named=PAPER)
    assert found[0].share.value < 0.02
    listed = {pair.name: pair for pair in found}
    assert listed["B/P"].count == 0
    never = listed["B/P"].share  # no interval of no width: it is not certain that it never happens
    assert never.value == 0.0 and math.isnan(never.low) and math.isnan(never.high)


def test_gestures_that_hardly_differ_are_taken_for_each_other() -> None:
    """A speaker whose B and P hardly differ, read out of noise by the nearest gesture."""
    rng = np.random.default_rng(2)
    table = gestures().reshape(len(gestures()), -1)[: len(PHONES)].astype(float)
    b, p = PHONES.index("B"), PHONES.index("P")
    table[b] = 0.95 * table[p] + 0.05 * table[b]
    trials = []
    for _ in range(120):
        true = rng.integers(len(PHONES), size=25)
        heard = table[true] + rng.normal(0, 0.35, size=(25, table.shape[1]))
        distance = ((heard[:, None] - table[None]) ** 2).sum(axis=2)
        said = distance.argmin(axis=1)
        trials.append(([PHONES[i] for i in true], [PHONES[i] for i in said]))
    found = confused_pairs(trials)
    assert found[0].name == "B/P"
    assert found[0].share.low > found[1].share.high


def test_few_trials_have_no_interval() -> None:
    alone = confused_pairs([(["B"], ["P"])])[0]
    assert alone.share.value == 1.0
    assert math.isnan(alone.share.low)
    assert confused_pairs([(["B"], ["B"]), (["P"], ["P"])]) == ()
    assert confused_pairs([]) == ()


def test_resampled_sums_are_those_of_drawn_trials() -> None:
    columns = np.array([[1, 10], [2, 20], [4, 40]])
    sums = resampled_sums(columns, n_resamples=2000)
    np.testing.assert_array_equal(sums[:, 1], 10 * sums[:, 0])
    assert set(np.unique(sums[:, 0])) == {3, 4, 5, 6, 7, 8, 9, 10, 12}
    assert sums[:, 0].mean() == pytest.approx(7, abs=0.2)


def test_shares_with_nothing_below_are_nan() -> None:
    empty = shares(np.zeros((3, 1), int), np.zeros((3, 1), int))[0]
    assert math.isnan(empty.value) and math.isnan(empty.high)
    one = shares(np.array([[1], [0]]), np.array([[2], [0]]))[0]
    assert one.value == 0.5 and math.isnan(one.low)


def test_what_never_or_always_happened_is_not_certain() -> None:
    counts = np.array([[0, 3, 1], [0, 2, 0], [0, 0, 0], [0, 4, 2]] * 3)
    out_of = counts[:, [1]]
    never, always, sometimes = shares(counts, out_of, n_resamples=100)
    assert (never.value, always.value) == (0.0, 1.0)
    assert all(math.isnan(end) for share in (never, always) for end in share[1:])
    assert 0 < sometimes.low < sometimes.value < sometimes.high < 1
