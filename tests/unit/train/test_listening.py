from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from sylvian.data.voices import Flite
from sylvian.errors import CheckpointError, DataError
from sylvian.models.assembled import Ear
from sylvian.models.whisper import listen, mel_features
from sylvian.train.hearing import HearingConfig
from sylvian.train.listening import choose_sentences, hear
from tiny.whisper import MELS, encoder

SENTENCES = ("what do you think", "yes", "not too controversial")


@dataclass(frozen=True, slots=True)
class Hummer(Flite):
    """Hums: the longer the sentence, the longer and higher."""

    said: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> np.ndarray:
        self.said.append(sentence)
        return np.sin(np.arange(2000 + 200 * len(sentence)) * 0.02 * len(sentence))


def test_every_sentence_is_said_once_and_kept(tmp_path):
    voice, ear = Hummer("none"), Ear(encoder(seed=1), 2)
    first = hear(SENTENCES[:2], voice, ear, kept=tmp_path)
    steps = []
    every = hear(
        SENTENCES, voice, ear, kept=tmp_path, progress=lambda *told: steps.append(told[1:3])
    )
    assert voice.said == list(SENTENCES)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert all(torch.equal(a, b) for a, b in zip(first, every, strict=False))
    truth = listen(ear.encoder, mel_features(Hummer("none").say(SENTENCES[2]), MELS))
    assert torch.equal(every[2], truth.half())


def test_what_others_said_or_heard_is_not_used(tmp_path):
    hear(SENTENCES, Hummer("none"), Ear(encoder(seed=1), 2), kept=tmp_path)
    other_voice, other_ear = Hummer("none", "rms"), Hummer("none")
    hear(SENTENCES, other_voice, Ear(encoder(seed=1), 2), kept=tmp_path)
    hear(SENTENCES, other_ear, Ear(encoder(seed=2), 2), kept=tmp_path)
    assert other_voice.said == other_ear.said == list(SENTENCES)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match=r"x\.safetensors: damaged"):
        hear(SENTENCES, Hummer("none"), Ear(encoder(), 2), kept=tmp_path)


def test_sentences_are_chosen_by_length_letters_and_seed(tmp_path):
    path = tmp_path / "text.txt"
    good = [f"word {a}{b} here" for a in "abcde" for b in "abcde"]
    path.write_text(
        "\n".join([*good, "too short", "3 of them", "Word aa here!", " ".join("x" * 9)])
    )
    settings = HearingConfig(sentences=20, held_out=2, read=1)
    chosen = choose_sentences([path], settings)
    assert len(set(chosen)) == 20 and set(chosen) <= set(good)
    assert chosen == choose_sentences([path], settings)
    assert chosen != choose_sentences([path], settings.model_copy(update={"seed": 1}))
    with pytest.raises(DataError, match=r"text\.txt: 25 different sentences of 3 to 8 words, 26"):
        choose_sentences([path], settings.model_copy(update={"sentences": 26}))
