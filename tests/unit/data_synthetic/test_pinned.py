"""Speech without a common space is what it was before there was one: the demo depends on it."""

import hashlib

import pytest

from sylvian.config import digest
from sylvian.data.synthetic import SyntheticConfig
from sylvian.data.synthetic.participant import participants


def first_trial(config, place):
    _, days = list(participants(config))[place]
    return next(next(iter(days)).blocks()).trials[0]


@pytest.mark.parametrize(
    ("place", "pinned"), [(0, "fae1867eb5231aa7"), (1, "f472e80125bbefc9")], ids=["S15", "S12"]
)
def test_the_first_trial_is_the_pinned_one(small, place, pinned):
    trial = first_trial(small, place)
    # counts only: the last bit of a power may differ between processors
    assert hashlib.sha256(trial.recording.crossings.tobytes()).hexdigest()[:16] == pinned


@pytest.mark.parametrize(
    ("config", "pinned"),
    [
        (SyntheticConfig(), "02b8fabd"),
        (SyntheticConfig.demo(), "ab6a4b91"),
        (SyntheticConfig.quick(), "06f82bb0"),
    ],
    ids=["default", "demo", "quick"],
)
def test_configs_are_written_as_before(config, pinned):
    assert digest(config) == pinned
