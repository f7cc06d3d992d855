import json
import math

import numpy as np
import pytest

from sylvian.decode.config import DecodeConfig
from sylvian.decode.ctcscore import IMPOSSIBLE_NATS, CtcScorer
from sylvian.decode.graph import GraphConfig
from sylvian.errors import DecodeError
from sylvian.text import Lexicon, Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

KEY = TrialKey("card2024", "T15", "2023-08-11", 3, 17)
VOCABULARY = phoneme_vocabulary()
LEXICON = Lexicon.cmudict()
SPOKEN = "we want to go home"
TEXTS = [SPOKEN, "we want to go", "we went to go home", "they want to go home", ""]


def heard(text: str, *, peak: float = 9.0, hold: int = 2) -> Logits:
    """Logits that say a sentence: each label held, a blank after it."""
    path = [0]
    for label in VOCABULARY.encode(LEXICON.phonemes(text)):
        path += [label] * hold + [0]
    values = np.random.default_rng(0).normal(size=(len(path), len(VOCABULARY)))
    values[np.arange(len(path)), path] += peak
    return Logits(KEY, values.astype(np.float32), 0.1, VOCABULARY)


@pytest.mark.parametrize("over", ["sum", "best"])
def test_what_was_said_is_likelier_than_what_was_not(over: str) -> None:
    nats = CtcScorer(LEXICON, over=over).score_sentences(heard(SPOKEN), TEXTS)
    assert nats.argmax() == 0
    assert nats[0] > nats[1:].max() + 5


def test_a_sum_is_at_least_its_best_term() -> None:
    best, whole = (
        CtcScorer(LEXICON, over=over).score_sentences(heard(SPOKEN, peak=2.0), TEXTS)
        for over in ("best", "sum")
    )
    assert (whole > best).all()
    assert (whole > best + 5.0)[:4].all()


def test_company_order_and_repeats_change_nothing() -> None:
    scorer, logits = CtcScorer(LEXICON), heard(SPOKEN)
    together = scorer.score_sentences(logits, [*TEXTS, TEXTS[1]])
    alone = [float(scorer.score_sentences(logits, [text])[0]) for text in TEXTS]
    assert together.tolist() == [*alone, alone[1]]
    assert scorer.score_sentences(logits, []).shape == (0,)


def test_every_pronunciation_counts() -> None:
    both, first = LEXICON.restrict(["the"]), Lexicon({"the": LEXICON["the"][:1]})
    assert len(both["the"]) > 1
    second = Lexicon({"the": LEXICON["the"][1:]})
    parts = [
        float(CtcScorer(lexicon).score_sentences(heard("a"), ["the"])[0])
        for lexicon in (first, second, both)
    ]
    assert parts[2] == pytest.approx(np.logaddexp(parts[0], parts[1]))


def test_unknown_words_are_spoken_by_rule_and_marks_not_at_all() -> None:
    scorer, logits = CtcScorer(LEXICON), heard("we blorked home")
    assert "blorked" not in LEXICON
    found = scorer.score_sentences(logits, ["we blorked home", "we walked home", "we - home"])
    assert found[0] > found[1] + 5
    assert found[2] == scorer.score_sentences(logits, ["we home"])[0]


def test_the_blank_penalty_is_the_first_passs() -> None:
    """Each frame of a blank costs it; two alignments of one path length differ by nothing else."""
    lexicon, tokens = Lexicon({"a": [["AA"]]}), Vocabulary(("BLANK", "AA", "SIL"))
    values = np.zeros((1, 3), dtype=np.float32)
    silent = GraphConfig(silence_probability=0.0, start_silence_probability=0.0)
    for penalty in (0.0, math.log(90)):
        scorer = CtcScorer(lexicon, config=DecodeConfig(blank_penalty=penalty), graph=silent)
        found = scorer.score_sentences(Logits(KEY, values, 0.1, tokens), ["", "a"])
        assert found.tolist() == pytest.approx([-math.log(3) - penalty, -math.log(3)])


def test_too_few_frames_give_a_number_that_survives_json() -> None:
    logits = heard("a")
    found = CtcScorer(LEXICON).score_sentences(logits, ["constitutional", "a"])
    assert found[0] == IMPOSSIBLE_NATS < found[1]
    assert json.loads(json.dumps(found.tolist(), allow_nan=False)) == found.tolist()
    none = Logits(KEY, np.zeros((0, 41), dtype=np.float32), 0.1, VOCABULARY)
    silent = CtcScorer(LEXICON).score_sentences(none, ["", "a"])
    assert silent.tolist() == [pytest.approx(math.log(0.1)), IMPOSSIBLE_NATS]


def test_very_sharp_logits_stay_exact() -> None:
    """Nothing underflows where a path is thousands of nats behind and catches up."""
    logits = heard(SPOKEN, peak=300.0)
    backwards = Logits(KEY, logits.values[::-1].copy(), 0.1, VOCABULARY)
    nats = CtcScorer(LEXICON).score_sentences(backwards, [SPOKEN])
    assert -1e5 < nats[0] < -1000


def test_bad_input_is_named() -> None:
    logits = heard("a")
    few = Logits(KEY, logits.values[:, :3], 0.1, Vocabulary(("BLANK", "AA", "SIL")))
    with pytest.raises(DecodeError, match=r"b03/t017: token 'HH' is not among the 3 tokens"):
        CtcScorer(LEXICON).score_sentences(few, ["home"])
    mute = Logits(KEY, logits.values[:, :2], 0.1, Vocabulary(("BLANK", "AA")))
    with pytest.raises(DecodeError, match="SIL"):
        CtcScorer(LEXICON).score_sentences(mute, [""])
    logits.values[2, 5] = np.nan
    with pytest.raises(DecodeError, match=r"b03/t017: frame 2"):
        CtcScorer(LEXICON).score_sentences(logits, ["a"])
