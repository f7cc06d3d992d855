"""Phones made alike: nearer in gestures and recordings, and taken for each other by a decoder."""

import numpy as np
import pytest

from sylvian.config import digest, dump, load
from sylvian.data.synthetic import (
    LikenessConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
)
from sylvian.data.synthetic.articulation import SEGMENTS, gestures, gestures_alike, segment_ids
from sylvian.data.synthetic.ceiling import _alternatives
from sylvian.data.synthetic.electrodes import first_day
from sylvian.data.synthetic.recording import record, speech_drive
from sylvian.data.synthetic.speech import gestures_of, speak
from sylvian.evaluate.pairs import confused_pairs
from sylvian.text import SIL

FEW = ("P", "B", "T", "D", "K", "G", "M", "N", "S", "AA", "IY", "UW")
BP = LikenessConfig(pairs=(("B", "P"),))


def speaker(alike: LikenessConfig | None, **changes: object) -> ParticipantConfig:
    shape = {"neural": NeuralConfig(snr=3.0)}
    speech = SpeechConfig(alike=alike)
    return ParticipantConfig(name="S15", layout="card2024", speech=speech, **shape | changes)


def apart(table: np.ndarray, one: str, other: str) -> float:
    a, b = table[segment_ids([one, other])]
    return float(np.linalg.norm(a - b))


def test_only_the_pairs_gestures_move_and_towards_their_middle() -> None:
    moved = gestures_alike((("B", "P"), ("S", "Z")), 0.9)
    for pair in ("BP", "SZ"):
        assert apart(moved, *pair) == pytest.approx(0.1 * apart(gestures(), *pair), rel=1e-4)
        rows = segment_ids(list(pair))
        np.testing.assert_allclose(moved[rows].mean(0), gestures()[rows].mean(0), atol=1e-6)
    others = [row for row, name in enumerate(SEGMENTS) if name not in ("B", "P", "S", "Z")]
    np.testing.assert_array_equal(moved[others], gestures()[others])
    np.testing.assert_array_equal(gestures_of(SpeechConfig()), gestures())
    assert apart(gestures_of(SpeechConfig(alike=BP)), "B", "P") < 0.1
    assert not apart(gestures_alike((("B", "P"),), 1.0), "B", "P")


def test_configs_without_likeness_are_written_as_before() -> None:
    assert "alike" not in dump(SpeechConfig())
    planted = SyntheticConfig(participants=(speaker(BP),))
    assert load(SyntheticConfig, dump(planted)) == planted
    assert digest(planted) != digest(SyntheticConfig(participants=(speaker(None),)))


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ((("B", "Q"),), "Q is none of the phones"),
        ((("B", "B"),), "one pair only"),
        ((("B", "P"), ("P", "T")), "one pair only"),
        ((), "at least 1"),
    ],
)
def test_pairs_that_mean_nothing_are_refused(pairs: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LikenessConfig(pairs=pairs)


def heard(alike: LikenessConfig | None) -> list[tuple[list[str], list[str]]]:
    """Say phones at random; name those of every other trial by the nearest mean of the others."""
    config, rng = speaker(alike), np.random.default_rng(1)
    tuning = first_day(config, rng).only(np.arange(256) < 48)
    calm = np.zeros_like(tuning.log_rate)
    ids, features, trials = [], [], []
    for trial in range(40):
        said = speak([*rng.choice(FEW, 20), SIL], config.speech, rng)
        drive = speech_drive(said.latents(), tuning, config.neural)
        counts = np.sqrt(record(drive, tuning, calm, rng).crossings.astype(np.float32))
        for place in range(1, 21):
            ids.append(SEGMENTS[said.segments[place]])
            features.append(counts[said.edges[place] : said.edges[place + 1]].mean(0))
            trials.append(trial)
    true, seen, test = np.array(ids), np.array(features), np.array(trials) % 2 == 1
    means = np.array([seen[~test & (true == one)].mean(0) for one in FEW])
    said = np.array(FEW)[((seen[test][:, None] - means) ** 2).sum(-1).argmin(1)]
    pairs = zip(true[test].reshape(20, 20), said.reshape(20, 20), strict=True)
    return [(list(map(str, one)), list(map(str, other))) for one, other in pairs]


def test_a_decoder_takes_phones_made_alike_for_each_other_above_all() -> None:
    planted, usual = (confused_pairs(heard(one), named=[("B", "P")]) for one in (BP, None))
    assert planted[0].name == "B/P"
    assert planted[0].share.low > planted[1].share.high
    before = next(pair for pair in usual if pair.name == "B/P")
    assert before.count < planted[0].count / 4
    assert min(planted[0].forward, planted[0].backward) > 4


def test_the_ideal_observer_compares_the_gestures_that_are_made() -> None:
    config = speaker(LikenessConfig(pairs=(("B", "P"),), share=1.0))
    said = speak(("B", "AA", SIL), config.speech, np.random.default_rng(0))
    _, changes = _alternatives(said, 1, config)
    b, p, t = segment_ids(["B", "P", "T"])
    assert not changes[b].any() and not changes[p].any()
    assert np.abs(changes[t]).max() > 0.1
