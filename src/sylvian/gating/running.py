"""The gate at work: recordings one after the other; on disk only what came while it was open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sylvian import config, decoding
from sylvian.data.splits import split_names
from sylvian.decode.gate import LOCKED, Decode, Gate, GateConfig, Heard, KeywordSpotter
from sylvian.decode.io import write_nbest
from sylvian.errors import ConfigError
from sylvian.evaluate.protocol import Protocol
from sylvian.gating.clock import ClockConfig, Moment, in_order
from sylvian.gating.hearing import Ears
from sylvian.gating.learnt import read_gate, refuse_other_speech
from sylvian.jobs import Job, split_and_strategies
from sylvian.runs import RunFolder
from sylvian.text import Lexicon, normalize_sentence
from sylvian.types import Logits, NBest, Progress, silent

NAME = "gated.jsonl"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate let through; counts only, nothing about what was said while it was locked.

    Attributes:
        run: The run folder.
        split: The split.
        out: The n-best lists of the utterances that were decoded, one a line; switched off there is
            no such file.
        keyword: What unlocks; None: the gate was switched off.
        threshold: Least score that unlocks.
        n_utterances: Recordings that the gate heard; 0 switched off.
        n_decoded: Those on disk.
        n_unlocked: How often it unlocked.
        n_false: How often something else than the keyword unlocked it; None without labels.
        n_missed: Keywords that found it locked and left it so; None without labels.
        n_locked: How often the lock word locked it.
        seconds: Length of all recordings, and of those decoded.
        notes: What to keep in mind.
    """

    run: str
    split: str
    out: str
    keyword: str | None
    threshold: float | None
    n_utterances: int
    n_decoded: int
    n_unlocked: int
    n_false: int | None
    n_missed: int | None
    n_locked: int
    seconds: tuple[float, float]
    notes: tuple[str, ...]

    def text(self) -> str:
        """Say it in a few lines."""
        if self.keyword is None:
            head = f"{self.out}: no such file; switched off, nothing was heard"
            return "\n".join([head, *self.notes])
        every, open_s = self.seconds
        lines = [
            f"{self.out}: {self.n_decoded} of {self.n_utterances} utterances of {self.split} "
            f"decoded ({open_s:.0f} of {every:.0f} s of recordings); nothing is kept of the others"
        ]
        unlocked = f"  {self.keyword!r} unlocked {self.n_unlocked} times"
        if self.n_false is not None:
            unlocked += f", {self.n_false} of them by something else; {self.n_missed} missed"
        return "\n".join([*lines, unlocked, *self.notes])


@dataclass
class _Tally:
    """What is counted while the gate is at work."""

    kept: list[NBest] = field(default_factory=list)
    n_unlocked: int = 0
    n_false: int = 0
    n_missed: int = 0
    n_locked: int = 0
    open_s: float = 0.0

    def add(self, moment: Moment, heard: Heard, *, was_open: bool, is_keyword: bool) -> None:
        self.n_unlocked += heard.unlocked
        self.n_locked += heard.locked
        self.n_false += heard.unlocked and not is_keyword
        self.n_missed += is_keyword and not was_open and not heard.unlocked
        if heard.nbest is not None:
            self.kept.append(heard.nbest)
            self.open_s += _length(moment)


def run_gate(
    run: RunFolder,
    split: str,
    *,
    out: Path | None = None,
    keyword: str | None = None,
    open_s: float = 30.0,
    lock_word: str | None = None,
    clock: ClockConfig | None = None,
    lm: str | None = None,
    lexicon: Path | None = None,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    off: bool = False,
    progress: Progress = silent,
) -> GateResult:
    """Play a split's recordings to a locked gate in the order they were made; write what it shows.

    Every day begins locked. An utterance that finds the gate locked is encoded in memory, compared
    with the keyword and forgotten; the decoder is not called, and none of its logits, candidates,
    scores or names are written. Switched off, no recording is read, nothing is written, and what an
    earlier run of the gate left in the same place is removed.

    Args:
        run: A finished run whose keyword was learnt.
        split: The split.
        out: JSON lines as `nbest.jsonl`; None: `gated.jsonl` among the split's files.
        keyword: What is meant to unlock; None: what was learnt.
        open_s: Seconds the gate stays open after the last utterance.
        lock_word: A sentence that locks at once.
        clock: Pauses between recordings.
        lm: As for `decode`.
        lexicon: As for `decode`; also says how the keyword sounds.
        overrides: Decoder settings as for `decode`.
        data: Prepared corpora; None for where the run was trained from.
        off: Decode nothing at all, whatever is said.
        progress: Told how many utterances were heard.

    Raises:
        ConfigError: no threshold, or one that was learnt for something else, another strategy
            included; no such split.
        CheckpointError: the run is unfinished or its checkpoint damaged.
        DataError: the recordings have no order in time.
        DecodeError: the language model or lexicon is unusable.
    """
    written = out or run.split(split) / NAME
    if off:
        return _off(run, split, written)
    job = Job.open(run, split, data=data)
    moments = in_order(job.infos, job.corpus.infos, clock=clock or ClockConfig())
    words = Lexicon.read(lexicon) if lexicon else Lexicon.cmudict()
    learnt = read_gate(run, words, keyword=keyword)
    refuse_other_speech(learnt, job)
    setting = decoding.resolve(job, lm=lm, lexicon=lexicon, overrides=overrides)
    asked = {"keyword": learnt.keyword, "threshold": learnt.threshold, "open_s": open_s}
    asked["lock_word"] = normalize_sentence(lock_word) if lock_word else None
    settings = config.load(GateConfig, asked)
    gate = Gate(settings, KeywordSpotter(learnt.keyword, words), _decoder(job, setting))
    tally = _play(gate, moments, Ears.open(job), progress)
    write_nbest(written, tally.kept)
    Protocol.open(run.path).opened(split, [info.key for info in job.infos])
    is_known = all(info.sentence is not None for info in job.infos)
    return GateResult(
        run=str(run.path),
        split=split,
        out=str(written),
        keyword=learnt.keyword,
        threshold=settings.threshold,
        n_utterances=len(moments),
        n_decoded=len(tally.kept),
        n_unlocked=tally.n_unlocked,
        n_false=tally.n_false if is_known else None,
        n_missed=tally.n_missed if is_known else None,
        n_locked=tally.n_locked,
        seconds=(sum(map(_length, moments)), tally.open_s),
        notes=_leftovers(run, split),
    )


def _play(gate: Gate, moments: Sequence[Moment], hear: Ears, progress: Progress) -> _Tally:
    tally, state, day = _Tally(), LOCKED, ""
    for done, moment in enumerate(moments, start=1):
        if moment.day != day:
            state, day = LOCKED, moment.day
        was_open = state.is_open(moment.begins_s)
        state, heard = gate.hear(state, hear(moment.info), now_s=moment.begins_s)
        said = normalize_sentence(moment.info.sentence or "")
        tally.add(moment, heard, was_open=was_open, is_keyword=said == gate.config.keyword)
        progress("gate", done, len(moments))
    return tally


def _decoder(job: Job, setting: decoding.Setting) -> Decode:
    """Decode one utterance with whatever the run decodes with."""
    if setting.end_to_end is None:
        return decoding.Search.open(job, setting).decode
    known = {info.key: info for info in job.infos}

    def speak(logits: Logits) -> NBest:
        alone = replace(job, infos=(known[logits.key],))
        found = decoding.speak(alone, [logits], setting, silent)
        return (found.nbest or found.greedy)[0]

    return speak


def _off(run: RunFolder, split: str, out: Path) -> GateResult:
    _refuse_unknown(run, split)
    out.unlink(missing_ok=True)
    counts = {"n_utterances": 0, "n_decoded": 0, "n_unlocked": 0, "n_locked": 0}
    return GateResult(
        run=str(run.path),
        split=split,
        out=str(out),
        keyword=None,
        threshold=None,
        n_false=None,
        n_missed=None,
        seconds=(0.0, 0.0),
        notes=_leftovers(run, split),
        **counts,
    )


def _refuse_unknown(run: RunFolder, split: str) -> None:
    """Refuse a split's name that no rule has, without opening the recordings."""
    name, _ = split_and_strategies(split)
    known = split_names(run.recipe.splits)
    if name not in known:
        raise ConfigError(f"{run.path}: no split {split!r}; there are: {', '.join(known)}")


def _leftovers(run: RunFolder, split: str) -> tuple[str, ...]:
    """Say where an earlier decode without a gate left everything on disk."""
    names = ("logits.safetensors", "greedy.jsonl", "nbest.jsonl")
    left = [name for name in names if (run.split(split) / name).is_file()]
    if not left:
        return ()
    return (
        f"{run.split(split)}: {', '.join(left)} of an earlier decode without a gate hold every "
        "utterance; remove them if they are not meant to be kept",
    )


def _length(moment: Moment) -> float:
    return moment.info.n_bins * moment.info.bin_s
