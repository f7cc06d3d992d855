"""The demonstration's language model is taught by a process of its own."""

from pathlib import Path

import pytest

from sylvian.demo import taught_beside
from sylvian.errors import SylvianError

SMALL = ("width=16", "layers=1", "heads=2", "vocabulary=400", "max_steps=2")


def test_it_is_waited_for_and_used_again(tmp_path: Path) -> None:
    text, folder = tmp_path / "text.txt", tmp_path / "small"
    words = ("bring", "take", "see", "like", "want"), ("my", "the", "your", "his", "a")
    text.write_text("".join(f"i {a} {b} glasses\n" for a in words[0] for b in words[1]))
    with taught_beside(text, folder, SMALL) as taught:
        assert taught() == folder
    kept = (folder / "smalllm.json").stat().st_mtime_ns
    with taught_beside(tmp_path / "gone", folder, SMALL) as taught:
        assert taught() == folder
    assert (folder / "smalllm.json").stat().st_mtime_ns == kept


def test_its_failure_is_told_in_its_own_words_and_leaving_early_ends_it(tmp_path: Path) -> None:
    gone, folder = tmp_path / "gone.txt", tmp_path / "small"
    with taught_beside(gone, folder) as taught, pytest.raises(SylvianError, match=str(gone)):
        taught()
    with taught_beside(gone, folder):
        pass
    assert not folder.exists()
