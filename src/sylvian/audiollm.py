"""The verb that assembles an audio-LLM and aligns it on synthetic speech."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sylvian import config
from sylvian.errors import ConfigError
from sylvian.evaluate import word_edits
from sylvian.evaluate.intervals import bootstrap_rate
from sylvian.text import normalize_sentence
from sylvian.types import EditCounts, Progress, silent

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from sylvian.models.assembled import AssembledProjector, Ear
    from sylvian.models.backbones import Backbone
    from sylvian.models.prompts import Prompt
    from sylvian.train.hearing import HearingConfig, Lesson

FILE = "audio_llm.json"
FORMAT = 1
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Listening:
    """Cross-entropy of held-out sentences behind some sound.

    Attributes:
        sound: Their own, another sentence's, or none.
        nats: A token, the end counted as one.
        low: Lower end of the 95 % bootstrap interval over sentences.
        high: Upper end.
    """

    sound: str
    nats: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AudioLlmResult:
    """An audio-LLM on disk, and whether it listens.

    Attributes:
        folder: Opened like any other audio-LLM.
        voice: Who spoke.
        n_learned: Sentences learned from.
        n_held_out: Sentences measured on; none was learned from.
        rows: Cross-entropy behind own, other and no sound after both stages.
        first: Behind their own sound after the first stage alone.
        n_read: Sentences transcribed free-running.
        wer: Their word error rate.
        wer_low: Lower end of its 95 % interval.
        wer_high: Upper end.
        steps: Updates through the language model.
        n_parameters: Trained weights.
        seconds: Wall-clock seconds of each part.
        examples: Some sentences and what was heard.
    """

    folder: str
    voice: str
    n_learned: int
    n_held_out: int
    rows: tuple[Listening, ...]
    first: float
    n_read: int
    wer: float
    wer_low: float
    wer_high: float
    steps: int
    n_parameters: int
    seconds: dict[str, float]
    examples: tuple[tuple[str, str], ...]

    def table(self) -> Table:
        """Draw the rows for the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        rate = f"{100 * self.wer:.1f} ({100 * self.wer_low:.1f} to {100 * self.wer_high:.1f})"
        spent = ", ".join(f"{name} {value:.0f} s" for name, value in self.seconds.items())
        told = (
            f"{self.n_held_out} sentences kept apart; in brackets: 95 % over sentences. After the "
            f"first stage {self.first:.2f} behind their own sound.\nFree-running WER of "
            f"{self.n_read}: {rate} %. {self.n_parameters:,} trained weights; {spent}."
        )
        title = f"{self.folder}: {self.voice}, {self.n_learned:,} sentences"
        table = Table(title=title, caption=told, box=SIMPLE_HEAD, pad_edge=False)
        table.title_justify = table.caption_justify = "left"
        table.add_column("sound", no_wrap=True)
        table.add_column("nats a token (95 %)", justify="right", no_wrap=True)
        for row in self.rows:
            interval = f"{row.nats:.2f} ({row.low:.2f}\N{EN DASH}{row.high:.2f})"
            table.add_row(row.sound, interval)
        return table


def make_audio_llm(
    whisper: Path,
    llm: str,
    text: Sequence[Path],
    *,
    out: Path,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> AudioLlmResult:
    """Assemble an audio-LLM, align it on sentences that a synthesiser says, and measure it.

    What was heard is kept in `OUT.heard` beside `out`, so that a second call goes on from there.
    The held-out sentences are measured on after training; nothing is chosen on them.

    Args:
        whisper: Folder of a Whisper model, of transformers or CTranslate2.
        llm: The language model, as for `rescore`: `smollm2`, a folder, or a hub's name.
        text: Files, one sentence a line, as it is to be said.
        out: Folder to write; replaced if an earlier call wrote it.
        overrides: Settings of `HearingConfig`, `key=value`.
        progress: Told how far it is.

    Raises:
        ConfigError: an unknown or unfit setting, no synthesiser, or `out` holds something else.
        CheckpointError: Whisper or the language model cannot be read.
        DataError: a text cannot be read or has too few sentences, the synthesiser fails, or no
            sentence has room for its tokens.
    """
    from sylvian.data.voices import open_voice
    from sylvian.models.assembled import Ear
    from sylvian.models.whisper import read_whisper
    from sylvian.train.hearing import HearingConfig
    from sylvian.train.listening import choose_sentences, hear

    settings = config.override(HearingConfig(), overrides)
    _check(out, settings)
    sentences = choose_sentences(text, settings)
    voice = open_voice(settings.voice)
    ear, clock = Ear(read_whisper(whisper), settings.assembly.frames), _Clock()
    parts = _assemble(ear, llm, settings)
    kept = out.with_name(f"{out.name}.heard")
    heard = hear(sentences, voice, ear, kept=kept, progress=progress)
    ear.settle(heard[settings.held_out :])
    clock.tick("speaking and hearing")
    pairs = zip(sentences, heard, strict=True)
    lessons = [_lesson(parts, sentence, sound) for sentence, sound in pairs]
    result = _align(parts, lessons, settings, clock, progress, folder=str(out), voice=voice.name)
    _save(out, parts, result, settings, whisper=whisper, llm=llm)
    return result


@dataclass(frozen=True, slots=True)
class _Parts:
    ear: Ear
    projector: AssembledProjector
    causal: Any
    tokenizer: Any
    backbone: Backbone
    prompt: Prompt


class _Clock:
    """Wall-clock seconds of one part after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def tick(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now


def _check(out: Path, settings: HearingConfig) -> None:
    if settings.held_out + 10 > settings.sentences or settings.read > settings.held_out:
        raise ConfigError(
            f"sentences={settings.sentences}, held_out={settings.held_out}, read={settings.read}: "
            "each must be smaller than the one before, with ten sentences left to learn from"
        )
    if (
        out.exists()
        and not (out / FILE).is_file()
        and not (out.is_dir() and not any(out.iterdir()))
    ):
        raise ConfigError(
            f"{out}: holds something that 'sylvian audio-llm' did not write (no {FILE}); give "
            "--out another folder"
        )


def _assemble(ear: Ear, llm: str, settings: HearingConfig) -> _Parts:
    from sylvian.models.assembled import build_assembled, with_tags
    from sylvian.models.backbones import Backbone
    from sylvian.models.hub import load_causal
    from sylvian.models.prompts import Prompt, PromptConfig

    causal, tokenizer = load_causal(llm, dtype="float32")
    with_tags(causal, tokenizer)
    embedding = causal.get_input_embeddings()
    projector = build_assembled(settings.assembly, ear.width, embedding, seed=settings.seed)
    backbone = Backbone(causal.eval(), projector.to(embedding.weight.device))
    n_embeddings = backbone.identity.n_embeddings
    prompt = Prompt(PromptConfig(), tokenizer, n_embeddings=n_embeddings, modality="audio")
    return _Parts(ear, projector, causal, tokenizer, backbone, prompt)


def _lesson(parts: _Parts, sentence: str, sound: Tensor) -> Lesson:
    from sylvian.train.hearing import Lesson

    plain = normalize_sentence(sentence)
    return Lesson(plain, parts.prompt.encode(plain), parts.ear.join(sound))


def _align(
    parts: _Parts,
    lessons: Sequence[Lesson],
    settings: HearingConfig,
    clock: _Clock,
    progress: Progress,
    **named: str,
) -> AudioLlmResult:
    from sylvian.models.whisper import FRAME_S
    from sylvian.train.hearing import learn_sentences, learn_words, surprise, transcribe

    def told(stage: str, step: int, steps: int, nats: float) -> None:
        progress(stage, step, steps, f"{nats:.2f} nats a token")

    held_out, learned = lessons[: settings.held_out], lessons[settings.held_out :]
    weight = parts.causal.get_input_embeddings().weight.detach()
    if settings.word_epochs:
        learn_words(parts.projector.requires_grad_(True), weight, learned, settings, told=told)
    clock.tick("words")
    sounds = [own.sound for own in held_out]
    first = _row("own", *surprise(parts.backbone, parts.prompt, held_out, sounds)).nats
    clock.tick("measuring")
    steps = learn_sentences(parts.backbone, parts.prompt, learned, settings, told=told)
    clock.tick("sentences")
    behind = {
        "own": sounds,
        "another sentence's": [*sounds[1:], sounds[0]],
        "none": [sound[:0] for sound in sounds],
    }
    rows = [
        _row(name, *surprise(parts.backbone, parts.prompt, held_out, sound))
        for name, sound in behind.items()
    ]
    token_s = parts.ear.frames * FRAME_S
    read = transcribe(parts.backbone, parts.prompt, sounds[: settings.read], token_s=token_s)
    clock.tick("measuring")
    pairs = [
        (own.sentence, normalize_sentence(text)) for own, text in zip(held_out, read, strict=False)
    ]
    counts = [word_edits(*pair) for pair in pairs]
    low, high = bootstrap_rate(counts)
    return AudioLlmResult(
        **named,
        n_learned=len(learned),
        n_held_out=len(held_out),
        rows=tuple(rows),
        first=first,
        n_read=len(counts),
        wer=sum(counts, EditCounts()).rate,
        wer_low=low,
        wer_high=high,
        steps=steps,
        n_parameters=sum(p.numel() for p in parts.projector.parameters()),
        seconds=clock.seconds,
        examples=tuple(pairs[:10]),
    )


def _row(sound: str, nats: Sequence[float], counts: Sequence[int]) -> Listening:
    """Average over tokens; the interval resamples sentences."""
    total, n = np.array(nats), np.array(counts)
    rows = np.random.default_rng(0).integers(len(n), size=(_RESAMPLES, len(n)))
    low, high = np.percentile(total[rows].sum(1) / n[rows].sum(1), (2.5, 97.5))
    return Listening(sound, float(total.sum() / n.sum()), float(low), float(high))


def _save(
    out: Path,
    parts: _Parts,
    result: AudioLlmResult,
    settings: HearingConfig,
    *,
    whisper: Path,
    llm: str,
) -> None:
    from sylvian.models.assembled import save_assembled

    described = {
        "format": FORMAT,
        "whisper": str(whisper),
        "llm": llm,
        "settings": config.dump(settings),
        "result": asdict(result),
    }
    notes = (
        f"Audio-LLM by 'sylvian audio-llm': Whisper's encoder ({whisper}), {llm}, and a multimodal "
        f"projector aligned on {result.n_learned} sentences said by {result.voice}.\n"
        f"{FILE} has settings and measurements; the licences are those of the parts.\n"
    )
    files = {"README.md": notes, FILE: json.dumps(described, indent=2) + "\n"}
    save_assembled(out, parts.ear, parts.projector, parts.causal, parts.tokenizer, files=files)
