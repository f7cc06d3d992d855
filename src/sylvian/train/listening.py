"""Speech to align an audio-LLM on: sentences chosen, said by a synthesiser, heard by an encoder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sylvian.data.voices import Voice
from sylvian.decode.files import whole
from sylvian.errors import CheckpointError, DataError
from sylvian.models.assembled import Ear
from sylvian.models.backbones import fingerprint
from sylvian.models.whisper import listen, mel_features
from sylvian.text import normalize_sentence
from sylvian.train.hearing import HearingConfig
from sylvian.types import Progress, silent

_SAYABLE = re.compile(r"[A-Za-z ',.?!]+")
_SHARD = 250


def choose_sentences(paths: Sequence[Path], settings: HearingConfig) -> list[str]:
    """Draw distinct sentences of the right length that are made of words alone.

    Args:
        paths: Files, one sentence a line, as it is to be said.
        settings: How many, how long, and the seed.

    Raises:
        DataError: a file cannot be read, or there are too few.
    """
    found: dict[str, str] = {}
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as failure:
            raise DataError(f"{path}: cannot be read as UTF-8 text ({failure})") from None
        for line in map(str.strip, lines):
            n_words = len(line.split())
            if settings.least_words <= n_words <= settings.most_words and _SAYABLE.fullmatch(line):
                found.setdefault(normalize_sentence(line), line)
    names = ", ".join(map(str, paths))
    if len(found) < settings.sentences:
        raise DataError(
            f"{names}: {len(found)} different sentences of {settings.least_words} to "
            f"{settings.most_words} words, {settings.sentences} are wanted; give more text or a "
            "smaller 'sentences'"
        )
    order = np.random.default_rng(settings.seed).permutation(len(found))
    every = list(found.values())
    return [every[place] for place in order[: settings.sentences].tolist()]


def hear(
    sentences: Sequence[str], voice: Voice, ear: Ear, *, kept: Path, progress: Progress = silent
) -> list[Float[Tensor, "frames width"]]:
    """Say and encode each sentence, or find what was heard of it in an earlier call.

    Args:
        sentences: As they are to be said.
        voice: Who says them.
        ear: Whose encoder hears them.
        kept: Folder for what was heard; another voice's and another encoder's is not used.
        progress: Told each sentence.

    Returns:
        The encoder's frames of each, in float16.

    Raises:
        DataError: the synthesiser fails.
        CheckpointError: what was kept is damaged.
    """
    who = f"{voice.name} {fingerprint(ear.encoder)}"
    known = _known(kept, who)
    fresh: dict[str, Tensor] = {}
    for done, sentence in enumerate(sentences, 1):
        if sentence not in known:
            known[sentence] = fresh[sentence] = _heard(sentence, voice, ear)
        if fresh and (len(fresh) == _SHARD or done == len(sentences)):
            kept.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256("".join(fresh).encode()).hexdigest()[:12]
            with whole(kept / f"{digest}.safetensors") as file:
                save_file(fresh, file, metadata={"who": who})
            fresh = {}
        progress("hearing", done, len(sentences))
    return [known[sentence] for sentence in sentences]


def _known(kept: Path, who: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for file in sorted(kept.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as opened:
                if (opened.metadata() or {}).get("who") == who:
                    found |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as failure:
            raise CheckpointError(f"{file}: damaged ({failure}); delete it and go on") from None
    return found


def _heard(sentence: str, voice: Voice, ear: Ear) -> Tensor:
    whisper: Any = ear.encoder
    mel = mel_features(voice.say(sentence), whisper.config.num_mel_bins)
    return listen(whisper, mel).half()
