import importlib.machinery
import io
import shutil
import sys
import types
import wave
from pathlib import Path

import numpy as np
import pytest

from sylvian.data.voices import Flite, open_voice, read_wave, resampled
from sylvian.errors import ConfigError, DataError


def wav(values: np.ndarray, *, rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setparams((channels, 2, rate, 0, "NONE", ""))
        opened.writeframes(values.astype("<i2").tobytes())
    return file.getvalue()


def engine(folder: Path, script: str) -> Path:
    """A program named flite that this test writes; arguments: -voice V -t TEXT -o FILE."""
    program = folder / "flite"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    program.chmod(0o755)
    return program


SAY = """
import wave
assert sys.argv[1::2] == ["-voice", "-t", "-o"]
with wave.open(sys.argv[6], "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(sys.argv[4].encode()[:1] * 2 * 800)
"""


@pytest.fixture
def only(tmp_path, monkeypatch):
    """A PATH with one folder and no package that could speak."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return tmp_path


def test_the_program_is_told_the_sentence_as_one_argument(only):
    engine(only, SAY)
    voice = open_voice("flite/rms")
    assert voice.name == "flite/rms"
    sound = voice.say("$(rm -rf x); 'a' b")  # nothing of it means anything to anyone
    assert sound.shape == (1600,) and sound.dtype == np.float32
    assert np.allclose(sound[400:1200], ord("$") * 257 / 32768, atol=1e-3)


def test_any_takes_what_is_there(only):
    engine(only, SAY)
    assert open_voice().name == "flite/slt"


def test_nothing_installed_says_what_to_install(only):
    for name, what in (("any", "no speech synthesiser"), ("flite", "no flite"), ("hibari", "hib")):
        with pytest.raises(ConfigError, match=rf"{what}.*apt-get install flite.*hibari-tts"):
            open_voice(name)


@pytest.mark.parametrize("name", ["espeak", "hibari/emma", "", "any/slt"])
def test_unknown_voices_are_refused(name):
    with pytest.raises(ConfigError, match="unknown; use flite"):
        open_voice(name)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("print('no such voice', file=sys.stderr); open(sys.argv[6], 'w'); sys.exit(3)", "no such"),
        ("pass", "was not said"),
        ("open(sys.argv[6], 'w').write('noise')", "no WAV file"),
        ("open(sys.argv[6], 'w')", "no WAV file"),
    ],
)
def test_an_engine_that_fails_is_an_error(script, why, tmp_path):
    voice = Flite(str(engine(tmp_path, script)))
    with pytest.raises(DataError, match=f"flite/slt: 'hello'.*{why}"):
        voice.say("hello")


def test_the_package_is_asked_where_there_is_no_program(monkeypatch):
    said = []

    class Engine:
        def __call__(self, text: str, seed: int) -> np.ndarray:
            said.append((text, seed))
            return np.zeros(2400, np.float32)

    package = types.ModuleType("hibari")
    package.__spec__ = importlib.machinery.ModuleSpec("hibari", None)
    package.Hibari = Engine
    monkeypatch.setitem(sys.modules, "hibari", package)
    voice = open_voice("hibari")
    assert voice.name == "hibari"
    assert voice.say("hello").shape == (1600,)  # 24 kHz to 16 kHz
    assert said == [("hello", 0)]


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", wav(np.zeros(0)), wav(np.zeros(4), channels=2)],
    ids=["nothing", "cut short", "no sound", "two channels"],
)
def test_other_files_are_refused(content):
    with pytest.raises(DataError, match=r"x: no .*WAV file"):
        read_wave(content, "x")


def test_pitch_survives_resampling():
    tone = np.sin(2 * np.pi * 500 * np.arange(2400) / 24_000).astype(np.float32)
    found = resampled(tone, 24_000)
    truth = np.sin(2 * np.pi * 500 * np.arange(1600) / 16_000)
    assert np.allclose(found[200:-200], truth[200:-200], atol=0.01)
    assert resampled(tone, 16_000) is tone


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_the_real_flite_speaks():
    voice = open_voice("flite")
    sound = voice.say("i would like a glass of water")
    assert 16_000 < len(sound) < 48_000
    assert 0.05 < np.abs(sound).max() <= 1
    assert len(voice.say("yes")) < len(sound)
