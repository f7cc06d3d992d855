"""Sentences said aloud by a speech synthesiser that is installed: flite, or the package hibari.

Neither is a dependency. Speech for an audio-LLM needs no actor: what matters is that sound and
sentence belong together.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import math
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from sylvian.errors import ConfigError, DataError

RATE_HZ = 16_000
FLITE, HIBARI, ANY = "flite", "hibari", "any"
INSTALL = (
    "install one: 'apt-get install flite' (Debian, Ubuntu) or 'pip install hibari-tts' (PyPI, "
    "works offline)"
)
_PATIENCE_S = 60
_FULL_SCALE = 32_768


@dataclass(frozen=True, slots=True)
class Flite:
    """Debian's flite, one process a sentence.

    Attributes:
        program: Path of its binary.
        speaker: One of its voices, such as `slt`; see `flite -lv`.
    """

    program: str
    speaker: str = "slt"

    @property
    def name(self) -> str:
        """Engine and speaker."""
        return f"{FLITE}/{self.speaker}"

    def say(self, sentence: str) -> Float[np.ndarray, " samples"]:
        """Give the sentence's sound at 16 kHz, between -1 and 1.

        Raises:
            DataError: the program fails, or writes no sound.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "said.wav")
            told = [self.program, "-voice", self.speaker, "-t", sentence, "-o", str(file)]
            try:
                done = subprocess.run(told, capture_output=True, timeout=_PATIENCE_S, check=False)
                said = file.read_bytes()
            except (OSError, subprocess.TimeoutExpired) as failure:
                raise DataError(f"{self.name}: {sentence!r} was not said ({failure})") from None
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip().split("\n")[0]
            raise DataError(f"{self.name}: {sentence!r} was not said ({why})")
        return read_wave(said, f"{self.name}: {sentence!r}")


@dataclass(frozen=True, slots=True)
class Hibari:
    """The package `hibari-tts`, in this process."""

    engine: Any

    @property
    def name(self) -> str:
        """The engine."""
        return HIBARI

    def say(self, sentence: str) -> Float[np.ndarray, " samples"]:
        """Give the sentence's sound at 16 kHz, between -1 and 1."""
        return resampled(np.asarray(self.engine(sentence, seed=0), np.float32), 24_000)


Voice = Flite | Hibari


def open_voice(name: str = ANY) -> Voice:
    """Open a speech synthesiser.

    Args:
        name: `flite`, `flite/SPEAKER`, `hibari`, or `any`: the first of them that is installed.

    Raises:
        ConfigError: it is not installed, or nobody knows that name.
    """
    engine, _, speaker = name.partition("/")
    if engine not in (FLITE, HIBARI, ANY) or (speaker and engine != FLITE):
        raise ConfigError(f"voice={name}: unknown; use {FLITE}, {FLITE}/SPEAKER, {HIBARI} or {ANY}")
    program = shutil.which(FLITE)
    if engine != HIBARI and program is not None:
        return Flite(program, speaker) if speaker else Flite(program)
    if engine != FLITE and importlib.util.find_spec(HIBARI) is not None:
        package: Any = importlib.import_module(HIBARI)
        return Hibari(package.Hibari())
    what = "speech synthesiser" if engine == ANY else engine
    raise ConfigError(f"no {what} is installed; {INSTALL}")


def read_wave(content: bytes, whose: str) -> Float[np.ndarray, " samples"]:
    """Read 16-bit PCM of one channel and bring it to 16 kHz.

    Args:
        content: The file.
        whose: Begins the message of an error.

    Raises:
        DataError: it is damaged, empty or of another kind.
    """
    try:
        with wave.open(io.BytesIO(content)) as opened:
            kind = (opened.getnchannels(), opened.getsampwidth())
            rate, raw = opened.getframerate(), opened.readframes(opened.getnframes())
    except (wave.Error, EOFError) as failure:
        raise DataError(f"{whose}: no WAV file ({failure})") from None
    if kind != (1, 2) or not raw or len(raw) % 2:
        raise DataError(f"{whose}: no 16-bit WAV file of one channel with sound in it")
    return resampled(np.frombuffer(raw, "<i2").astype(np.float32) / _FULL_SCALE, rate)


def resampled(
    sound: Float[np.ndarray, " samples"], rate_hz: int
) -> Float[np.ndarray, " resampled"]:
    """Bring a sound to 16 kHz."""
    from scipy.signal import resample_poly

    if rate_hz == RATE_HZ:
        return sound
    shared = math.gcd(RATE_HZ, rate_hz)
    found = resample_poly(sound, RATE_HZ // shared, rate_hz // shared)
    return np.asarray(found, np.float32)
