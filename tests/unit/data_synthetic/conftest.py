"""A corpus of two people that is simulated in a second."""

import pytest

from sylvian.data.synthetic import ParticipantConfig, SyntheticConfig, simulate

SHAPE = {
    "sessions": 2,
    "train_trials": 6,
    "eval_trials": 4,
    "hidden_trials": 2,
    "block_trials": 2,
    "max_words": 5,
    "cues_per_session": 1,
}


@pytest.fixture(scope="session")
def small() -> SyntheticConfig:
    return SyntheticConfig(
        seed=5,
        participants=(
            ParticipantConfig(name="S15", layout="card2024", **SHAPE),
            ParticipantConfig(name="S12", layout="willett2023", **SHAPE),
        ),
    )


@pytest.fixture(scope="session")
def raw(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "raw"
    simulate(small, folder)
    return folder
