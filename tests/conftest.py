"""Fixtures every room shares."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest

# A busy machine is slow; how long an example takes is no property of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start what they put behind them so; here and in children Ctrl-C is to work.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real recordings and decoder outputs; tests that need it skip if absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SYLVIAN_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set SYLVIAN_SHARED)")
    return folder
