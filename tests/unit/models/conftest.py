"""Small trials, sessions and batches of noise."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sylvian.models.batch import Batch, make_batch
from sylvian.models.sessions import SessionSpec
from sylvian.text import Vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey

DAYS = ("2023-08-11", "2023-08-13", "2023-09-01")
N_CHANNELS = 6
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))


def trial(
    n_bins: int,
    number: int = 0,
    *,
    day: str = DAYS[0],
    participant: str = "T15",
    phonemes: Sequence[str] | None = ("AA", "SIL"),
    n_channels: int = N_CHANNELS,
) -> Trial:
    noise = np.random.default_rng([n_bins, number]).standard_normal((n_bins, n_channels))
    key = TrialKey("toy", participant, day, 1, number)
    known = None if phonemes is None else tuple(phonemes)
    return Trial(TrialInfo(key, "train", n_bins, phonemes=known), noise.astype(np.float32))


@pytest.fixture(name="trial")
def _trial() -> Callable[..., Trial]:
    return trial


@pytest.fixture
def vocabulary() -> Vocabulary:
    return VOCABULARY


@pytest.fixture
def sessions() -> list[SessionSpec]:
    return [
        SessionSpec(path=f"toy/T15/{day}", participant="toy/T15", n_channels=N_CHANNELS)
        for day in DAYS
    ]


@pytest.fixture
def batch_of() -> Callable[..., Batch]:
    """Give a batch of trials of the given lengths, spread over the sessions."""
    index = {f"toy/T15/{day}": number for number, day in enumerate(DAYS)}

    def make(*lengths: int, **kwargs: object) -> Batch:
        trials = [
            trial(n_bins, number, day=DAYS[number % 3], **kwargs)
            for number, n_bins in enumerate(lengths)
        ]
        return make_batch(trials, session_index=index, vocabulary=VOCABULARY)

    return make
