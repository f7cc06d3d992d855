import math

import numpy as np
import pytest

from sylvian.decode.gate import LOCKED, Gate, GateConfig, GateState, KeywordSpotter
from sylvian.errors import DecodeError
from sylvian.text import SIL, Lexicon, phoneme_vocabulary
from sylvian.types import Hypothesis, Logits, NBest, Scores, TrialKey

VOCABULARY = phoneme_vocabulary()
KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
LEXICON = Lexicon(
    {
        "open": [["OW", "P", "AH", "N"]],
        "sesame": [["S", "EH", "S", "AH", "M", "IY"]],
        "yes": [["Y", "EH", "S"]],
        "stop": [["S", "T", "AA", "P"]],
    }
)


def say(text: str, *, noise: float = 0.5, clear: float = 6.0, seed: int = 0) -> Logits:
    """Two frames a phoneme and a blank after it, in noise."""
    rng = np.random.default_rng(seed)
    columns: list[int] = []
    for column in VOCABULARY.encode(LEXICON.phonemes(text)):
        columns += [column, column, 0]
    values = rng.normal(0, noise, size=(len(columns), len(VOCABULARY)))
    values[np.arange(len(columns)), columns] += clear
    return Logits(KEY, values.astype(np.float32), 0.1, VOCABULARY)


class Decoder:
    """Says what it was told to, and counts how often it was asked."""

    def __init__(self, text: str = "yes") -> None:
        self.asked, self.text = 0, text

    def __call__(self, logits: Logits) -> NBest:
        self.asked += 1
        return NBest(logits.key, (Hypothesis(self.text, (), Scores(-1.0)),))


def gate(decoder: Decoder, **kwargs: object) -> Gate:
    config = GateConfig(keyword="open sesame", threshold=-0.5, open_s=10.0, **kwargs)
    return Gate(config, KeywordSpotter(config.keyword, LEXICON), decoder)


def test_the_keyword_scores_above_all_else() -> None:
    spot = KeywordSpotter("Open, sesame!", LEXICON)
    assert spot(say("open sesame")) > -0.2
    for other in ("yes", "stop", "open", "sesame", "open stop", "yes open sesame"):
        assert spot(say(other)) < -0.5
    worn = [spot(say("open sesame", clear=clear)) for clear in (6.0, 2.0, 0.5)]
    assert min(worn) > spot(say("stop stop"))


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 1.0])
def test_an_encoder_that_knows_nothing_does_not_unlock(noise: float) -> None:
    """Flat logits have many alignments of the keyword and no path that is much better."""
    spot = KeywordSpotter("open sesame", LEXICON)
    rng = np.random.default_rng(0)
    for n_frames in (20, 60, 200):
        values = rng.normal(0, noise, size=(n_frames, len(VOCABULARY))).astype(np.float32)
        assert spot(Logits(KEY, values, 0.1, VOCABULARY)) < -2.0


def test_certainty_is_no_more_than_zero() -> None:
    spot = KeywordSpotter("open sesame", LEXICON)
    sure = [spot(say("open sesame", clear=clear, noise=0.0)) for clear in (6.0, 20.0, 60.0)]
    assert sure == sorted(sure)
    assert -0.1 < sure[-1] <= 0.0


def test_an_utterance_too_short_for_the_keyword_scores_lowest() -> None:
    spot = KeywordSpotter("open sesame", LEXICON)
    empty = Logits(KEY, np.zeros((0, len(VOCABULARY)), np.float32), 0.1, VOCABULARY)
    assert spot(empty) == -math.inf
    assert spot(Logits(KEY, say("yes").values[:3], 0.1, VOCABULARY)) < -1000


def test_locked_means_that_nothing_is_decoded_or_remembered() -> None:
    decoder = Decoder()
    state, heard = gate(decoder).hear(LOCKED, say("yes"), now_s=0.0)
    assert (decoder.asked, heard.nbest, heard.unlocked) == (0, None, False)
    assert state == LOCKED
    assert [getattr(state, name) for name in GateState.__slots__] == [-math.inf]


def test_the_keyword_unlocks_and_is_not_shown() -> None:
    decoder = Decoder()
    door = gate(decoder)
    state, heard = door.hear(LOCKED, say("open sesame"), now_s=5.0)
    assert (decoder.asked, heard.nbest, heard.unlocked) == (0, None, True)
    assert state.is_open(14.9) and not state.is_open(15.0)
    state, heard = door.hear(state, say("stop"), now_s=8.0)
    assert heard.nbest is not None and heard.nbest.best.text == "yes"
    assert state.open_until_s == 18.0  # speaking keeps it open


def test_it_locks_by_itself() -> None:
    decoder = Decoder()
    door = gate(decoder)
    state, _ = door.hear(LOCKED, say("open sesame"), now_s=0.0)
    state, heard = door.hear(state, say("stop"), now_s=10.0)
    assert (decoder.asked, heard.nbest, state) == (0, None, LOCKED)


def test_a_word_locks_at_once_and_is_not_shown() -> None:
    decoder = Decoder("stop")
    door = gate(decoder, lock_word="stop")
    state, heard = door.hear(GateState(100.0), say("stop"), now_s=0.0)
    assert (state, heard.nbest, heard.locked) == (LOCKED, None, True)


def test_a_broken_spotter_or_clock_does_not_open_it() -> None:
    decoder = Decoder()
    config = GateConfig(keyword="open", threshold=-0.5)
    broken = Gate(config, lambda logits: math.nan, decoder)
    assert broken.hear(LOCKED, say("open"), now_s=0.0)[0] == LOCKED
    with pytest.raises(DecodeError, match="no time"):
        gate(decoder).hear(GateState(100.0), say("yes"), now_s=math.nan)
    assert decoder.asked == 0


def test_a_keyword_nobody_can_say_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"'42': has no word"):
        KeywordSpotter("42", LEXICON)
    assert LEXICON.phonemes("yes")[-1] == SIL
