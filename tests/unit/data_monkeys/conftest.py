"""What the tests of the monkey readers share."""

import numpy as np
import pytest

from sylvian.data.corpora import CORPORA


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def read():
    """Read everything below a folder by the name of its corpus."""

    def of(name, raw):
        corpus = CORPORA[name](raw)
        return [trial for session in corpus.sessions() for trial in corpus.trials(session)]

    return of
