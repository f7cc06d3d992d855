from pathlib import Path

import pytest

from sylvian.decode.scorecache import ScoreCache
from sylvian.errors import DecodeError


def test_scores_come_back_bit_for_bit_by_model_and_text(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "new" / "scores.sqlite")
    scores = {"we go": -1 / 3, "don't": -12.123456789012345, "": 0.0}
    cache.add("a", scores)
    cache.add("b", {"we go": -7.0})
    again = ScoreCache(cache.path)
    assert again.find("a", ["we go", "don't", "", "they"]) == scores
    assert again.find("b", ["we go", "don't"]) == {"we go": -7.0}
    cache.add("b", {"we go": -8.0})
    assert again.find("b", ["we go"]) == {"we go": -8.0}


def test_many_texts_are_found(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "scores.sqlite")
    scores = {f"sentence {n}": -float(n) for n in range(5000)}
    cache.add("a", scores)
    assert cache.find("a", scores) == scores


def test_a_file_that_is_no_cache_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    path.write_text("notes that somebody wrote " * 100)
    with pytest.raises(DecodeError, match=f"{path}: cannot be used as a cache"):
        ScoreCache(path)
    assert path.read_text().startswith("notes")
