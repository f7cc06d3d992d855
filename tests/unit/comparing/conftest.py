from __future__ import annotations

from pathlib import Path

import pytest

from tiny.decoded import Maker, prepared


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("comparing"), S15=(16, 16), S16=(16, 16))


@pytest.fixture(scope="session")
def make(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(data, tmp_path_factory.mktemp("made"))
