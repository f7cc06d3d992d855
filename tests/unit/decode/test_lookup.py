from sylvian.decode.lookup import Lookup
from sylvian.text.lexicon import Lexicon
from sylvian.types import Hypothesis, Scores

LEXICON = Lexicon({"cat": [["K", "AE", "T"]], "kat": [["K", "AE", "T"]], "sat": [["S", "AE", "T"]]})


def spelled(tokens: str) -> str:
    return Lookup(LEXICON).spell(Hypothesis("", tuple(tokens.split()), Scores(0.0))).text


def test_the_first_homophone_wins() -> None:
    assert spelled("K AE T SIL S AE T SIL") == "cat sat"


def test_an_unknown_stretch_becomes_the_nearest_word() -> None:
    assert spelled("S AE D SIL") == "sat"


def test_no_phones_make_no_words() -> None:
    assert spelled("") == ""
    assert spelled("SIL SIL") == ""


def test_words_are_counted_for_the_word_bonus() -> None:
    hypothesis = Hypothesis("", ("K", "AE", "T", "SIL"), Scores(-3.0))
    assert Lookup(LEXICON).spell(hypothesis).scores == Scores(-3.0, n_words=1)
