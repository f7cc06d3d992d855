from pathlib import Path

import pytest

from sylvian.errors import DecodeError
from sylvian.text import Lexicon
from sylvian.text.wordsets import FIFTY_WORDS, word_set


def test_the_fifty_words_are_fifty_and_can_be_said() -> None:
    assert word_set("50-word") == FIFTY_WORDS
    assert len(set(FIFTY_WORDS)) == 50
    assert set(FIFTY_WORDS) <= set(Lexicon.cmudict())


def test_a_file_holds_words_as_benchmarks_write_them(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("Hello, world\n\nit\u2019s\nhello\n")
    assert word_set(str(path)) == ("hello", "it's", "world")


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match=r"word_set=60-word: no set of that name \(50-word\)"):
        word_set("60-word")
    (tmp_path / "empty.txt").write_text("123\n")
    with pytest.raises(DecodeError, match="no word in it"):
        word_set(str(tmp_path / "empty.txt"))
