"""Reader of the inner-speech release (Kunz et al. 2025): MATLAB files of continuous recordings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.binning import bins_to_join, rebin_counts
from sylvian.data.corpora.kunz2025_facts import KUNZ2025
from sylvian.data.corpora.labels import spoken_phonemes
from sylvian.data.corpora.matlab import char_rows, read_numbers, read_optional, read_variable
from sylvian.data.corpora.pieces import Piece, files_by_block, numbered, refuse_shape, some
from sylvian.data.corpora.reading import dated, no_sessions, reading
from sylvian.errors import DataError
from sylvian.text import Lexicon
from sylvian.types import Strategy, Trial

_ISOLATED, _INTERLEAVED = _WORDS = ("isolated words", "interleaved words")
# Folder below the raw folder -> split, and what its prompts are called here.
_PARTS = {
    "isolatedVerbalBehaviors": ("train", _ISOLATED),
    "interleavedVerbalBehaviors": ("train", _INTERLEAVED),
    "sentenceData/train": ("train", "sentences"),
    "sentenceData/val_50words": ("val_50words", "50-word sentences"),
}
_DO_NOTHING = "[DO NOTHING]"
# The word comes before a bracket, comma, `$` or line break, which begin the strategy's tag.
_WORD = re.compile(r"[^(,$\n\\]*")
_TAGS = (
    ("mimed", Strategy.SILENT),
    ("mouthed", Strategy.SILENT),
    ("attempted", Strategy.ATTEMPTED),
    ("imagined", Strategy.IMAGINED),  # imagined listening too, hence before the next
    ("listen", Strategy.PERCEIVED),
    ("reading", Strategy.PERCEIVED),
)


class Kunz2025:
    """The inner-speech release of participants T12, T15, T16 and T17.

    `isolatedVerbalBehaviors/<who>.YYYY.MM.DD_<behaviour>_raw.mat` holds cued words, and so does
    `interleavedVerbalBehaviors/<who>.YYYY.MM.DD_interleavedVerbalBehaviors_raw.mat`: `binnedTX`,
    `spikePow` and `blockNum` bin by bin, `binSize` in ms, `trialCues` that point into `cueList`,
    and first and last bin of each trial's `delayTrialEpochs` and `goTrialEpochs`. A trial lasts
    from its delay to its end. The strategy is the file's, or in interleaved files the cue's.
    Features are threshold crossings, then spike-band power; finer bins are added, or for power
    averaged, to 20 ms. Words have phonemes through the lexicon, unless they were only heard or
    read.

    The layout of `sentenceData` could not be seen. It is read by the schema of the files beside it:
    `sentenceData/{train,val_50words}/<who>.YYYY.MM.DD[_<behaviour>].mat`, where `sentences` holds
    the prompt of each trial (or `cueList` and `trialCues` do), and the strategy is imagined unless
    the file's name says otherwise. BIT's val and test are the two halves of `val_50words` by seed
    42: the split rule `bit`.

    Args:
        raw: Folder that contains the folders named above; each may have another of its name inside.
        facts: What to expect.
        lexicon: Pronunciations; CMUdict if None.

    Source: nptl-stanford/inner_speech, `Fig1EF…m` and `analysis/subfunctions/utils.py`; public code
    that reads the two word archives; dossier §1.4.
    """

    def __init__(
        self, raw: Path, *, facts: CorpusFacts = KUNZ2025, lexicon: Lexicon | None = None
    ) -> None:
        self.facts = facts
        self._raw = Path(raw)
        self._given = lexicon

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session, or a file cannot be read.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(self._raw, self.facts, "t12.YYYY.MM.DD_*.mat file in those folders")
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a day, file by file; one file is in memory at a time.

        Raises:
            DataError: a file is damaged, or lacks what the layout promises.
        """
        return numbered(self._pieces(session), session, self.facts)

    @property
    def _lexicon(self) -> Lexicon:
        return Lexicon.cmudict() if self._given is None else self._given

    def _of(self, participant: str) -> Iterator[SessionRef]:
        found: dict[str, list[tuple[str, Path]]] = {}
        for part in _PARTS:
            for path in self._files(part):
                day = path.name.removesuffix(".mat").split("_")[0]
                for session in dated([day], participant.lower()):
                    found.setdefault(session, []).append((part, path))
        for session in sorted(found):
            paths: dict[str, Path] = {}
            for part, path in found[session]:
                paths.setdefault(_PARTS[part][0], path)
            files = files_by_block((path for _, path in found[session]), _blocks)
            yield SessionRef(participant, session, paths, self._lexicon.digest, files=files)

    def _files(self, part: str) -> list[Path]:
        folder = self._raw / part
        nested = folder / folder.name  # as the archives unzip
        return sorted([*folder.glob("*.mat"), *nested.glob("*.mat")])

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        n_channels = self.facts.participants[session.participant].n_channels or 0
        for path in dict.fromkeys(session.files.values()):
            relative = path.relative_to(self._raw).as_posix()
            part = next(part for part in _PARTS if relative.startswith(part + "/"))
            yield from some(self._of_file(path, part, n_channels // 2), path)

    def _of_file(self, path: Path, part: str, n_columns: int) -> Iterator[Piece]:
        split, prompt_set = _PARTS[part]
        recording = _Recording(path, n_columns, self.facts.bin_s)
        prompts = _prompts(path)
        default = _strategy(path.stem) or Strategy.IMAGINED
        for (start, stop), prompt in zip(recording.trials(len(prompts)), prompts, strict=True):
            sentence, strategy = _read_prompt(prompt, default, prompt_set)
            said = None if strategy is Strategy.PERCEIVED else sentence
            yield Piece(
                split,
                int(recording.blocks[start]),
                recording.features(start, stop),
                strategy,
                sentence=sentence,
                phonemes=spoken_phonemes(said, self._lexicon),
                prompt_set=prompt_set,
            )


class _Recording:
    """The continuous variables of one file."""

    def __init__(self, path: Path, n_columns: int, bin_s: float) -> None:
        self._path = path
        self.blocks = read_numbers(path, "blockNum")
        width_ms = np.ravel(read_variable(path, "binSize"))
        refuse_shape(width_ms, (1,), f"{path}: binSize")
        self._join = bins_to_join(float(width_ms[0]) / 1000, bin_s=bin_s, where=str(path))
        self._crossings, self._power = (
            self._matrix(name, n_columns) for name in ("binnedTX", "spikePow")
        )

    def trials(self, n_trials: int) -> list[tuple[int, int]]:
        """Find first bin and bin after the last of each trial, counted from zero."""
        epochs = [read_variable(self._path, f"{name}TrialEpochs") for name in ("delay", "go")]
        for name, epoch in zip(("delay", "go"), epochs, strict=True):
            refuse_shape(epoch, (n_trials, 2), f"{self._path}: {name}TrialEpochs")
        with reading(self._path):
            starts, stops = epochs[0][:, 0].astype(int) - 1, epochs[1][:, 1].astype(int)
        for place, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            if not 0 <= start < stop <= len(self.blocks):
                raise DataError(
                    f"{self._path}: trial {place} lasts from bin {start + 1} to {stop} of "
                    f"{len(self.blocks)}; the file is damaged, download it again"
                )
        return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]

    def features(self, start: int, stop: int) -> Any:
        """Join the bins of a trial: crossings add up, power is averaged."""
        with reading(self._path):
            crossings = rebin_counts(self._crossings[start:stop], self._join)
            power = rebin_counts(self._power[start:stop], self._join) / np.float32(self._join)
        return np.concatenate([crossings, power], axis=1)

    def _matrix(self, name: str, n_columns: int) -> Any:
        matrix = read_variable(self._path, name)
        refuse_shape(matrix, (len(self.blocks), n_columns), f"{self._path}: {name}")
        return matrix


def _blocks(path: Path) -> list[int]:
    return [int(block) for block in np.unique(read_numbers(path, "blockNum"))]


def _prompts(path: Path) -> list[str]:
    """Read the prompt of each trial, from `sentences` or through the list of cues."""
    if read_optional(path, "sentences") is not None:
        return char_rows(path, "sentences")
    cues = char_rows(path, "cueList")
    numbers = read_numbers(path, "trialCues")
    wrong = [int(number) for number in numbers if not 1 <= number <= len(cues)]
    if wrong:
        raise DataError(f"{path}: trialCues holds {wrong[0]}, but cueList has {len(cues)} cues")
    return [cues[number - 1] for number in numbers]


def _read_prompt(prompt: str, default: Strategy, prompt_set: str) -> tuple[str, Strategy]:
    """Tell what was to be said from how.

    In T12's interleaved files the words to listen to have no tag but a `$0` (two public readers of
    the release agree on it).
    """
    if "nothing" in prompt.lower():
        return _DO_NOTHING, default
    match = _WORD.match(prompt)
    if prompt_set not in _WORDS or match is None:
        return prompt, default
    tag = prompt[match.end() :]
    heard = prompt_set == _INTERLEAVED and tag.startswith("$")
    return match.group().strip(), _strategy(tag) or (Strategy.PERCEIVED if heard else default)


def _strategy(text: str) -> Strategy | None:
    low = text.lower().replace("_", "")
    return next((strategy for tag, strategy in _TAGS if tag in low), None)
