"""What a rate may be called: a claim in one sentence, or why there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sylvian.errors import ProtocolError
from sylvian.evaluate.protocol import Entry, Protocol, overlap, trials_digest
from sylvian.evaluate.report import SEEN, UNSEEN, ScoreReport
from sylvian.text import counted
from sylvian.types import Score, TrialKey

_NAMES = {"per": "PER", "wer": "WER", "cer": "CER"}


@dataclass(frozen=True, slots=True)
class Taught:
    """The trials that taught a model, by this training and by those before it.

    Attributes:
        keys: Their names.
        is_complete: Whether every training is on record.
    """

    keys: Collection[TrialKey]
    is_complete: bool = True


def breaches(
    protocol: Protocol,
    split: str,
    keys: Iterable[TrialKey],
    *,
    online: bool = False,
    taught: Taught | None = None,
) -> list[str]:
    """Say what on record forbids to claim a rate on a split; nothing: it may be claimed.

    Args:
        protocol: The run's record.
        split: The split.
        keys: The trials that were scored.
        online: Whether the rate is claimed for a decoder that runs while somebody speaks.
        taught: What the model learnt; None: nothing is known but the split's name.
    """
    entries, names = protocol.entries, set(keys)
    _, trials = trials_digest(names)
    return [
        *_learnt(split, names, taught),
        *_not_blind(entries, split, trials),
        *_chosen_after(entries, split),
        *([_FUTURE] if online and any(e.sees_future for e in entries) else []),
    ]


_FUTURE = (
    "features were normalised over whole blocks, so every bin has seen the future: no rate of an "
    "online decoder; prepare with normalize.kind=rolling and train again"
)


def _learnt(split: str, keys: Collection[TrialKey], taught: Taught | None) -> Iterator[str]:
    """Compare trials, not names: a part of `train` may be what the model never learnt."""
    known = set(keys) if taught is None and overlap(split, "train") else set()
    if taught is not None:
        known = set(taught.keys).intersection(keys)
    if len(known) == len(keys) > 0:
        yield "the model learnt these trials; score val or test"
    elif known:
        yield f"the model learnt {len(known)} of these {len(keys)} trials; score others"
    elif taught is not None and not taught.is_complete and overlap(split, "train"):
        yield "the model may have learnt these trials, in a training that is not on record here"


def _not_blind(entries: tuple[Entry, ...], split: str, trials: str) -> Iterator[str]:
    if not any(e.kind == "opened" and e.split == split for e in entries):
        yield f"{split} was not scored; run 'sylvian score --split {split}' first"
    chosen = dict.fromkeys(
        str(e.what)
        for e in entries
        if e.kind == "selected" and (overlap(e.split, split) or e.trials == trials)
    )
    if chosen:
        yield f"{', '.join(chosen)} chosen on these very trials; score a split nothing chose on"


def _chosen_after(entries: tuple[Entry, ...], split: str) -> Iterator[str]:
    """Find choices made when the split had been looked at, even if on other trials."""
    opened = [at for at, e in enumerate(entries) if e.kind == "opened" and overlap(e.split, split)]
    if not opened:
        return
    late = dict.fromkeys(str(e.what) for e in entries[opened[0] :] if e.kind == "selected")
    if late:
        yield (
            f"{', '.join(late)} chosen after {split} had been looked at; only a split that nobody "
            "looked at can still be claimed"
        )


def claim(
    protocol: Protocol,
    split: str,
    keys: Iterable[TrialKey],
    report: ScoreReport,
    *,
    what: str,
    unit: str = "wer",
    online: bool = False,
    taught: Taught | None = None,
    rests: Iterable[str] = (),
) -> str:
    """Put a rate into one sentence that says what it rests on.

    Args:
        protocol: The run's record.
        split: The split.
        keys: The trials that were scored.
        report: Their rates.
        what: What was scored: run, participant, decoder.
        unit: `per`, `wer` or `cer`.
        online: Whether it is claimed for a decoder that runs while somebody speaks.
        taught: What the model learnt; None: nothing is known but the split's name.
        rests: What else the rate rests on, a clause each.

    Raises:
        ProtocolError: the record forbids it, or there is nothing to claim; the message says why.
    """
    keys = list(keys)
    broken = breaches(protocol, split, keys, online=online, taught=taught)
    if broken:
        raise ProtocolError(f"{what} on {split}: no claim, because {'; and '.join(broken)}")
    score = report.find(unit)
    if score is None or not score.counts.n_reference:
        raise ProtocolError(f"{what} on {split}: no {_NAMES[unit]}, its labels are withheld")
    groups = [(SEEN, "sentences seen in training"), (UNSEEN, "not seen")]
    if len(report.strategies) > 1:
        groups = [(f"strategy:{name}", name) for name in report.strategies] + groups
    apart = [
        f"{name} {_percent(own)}, n {own.n_trials}"
        for group, name in groups
        if (own := report.find(unit, group)) is not None and own.n_trials
    ]
    looks = protocol.n_openings(split)
    times = "once" if looks == 1 else f"{looks} times, nothing chosen after the first"
    kind = "online" if online else "offline"
    n = counted(report.n_trials, "trial")
    learnt = ", none of them learnt" if overlap(split, "train") else ""
    rate = f"{what}: {_NAMES[unit]} {_percent(score)} on {split} ({n}{learnt}; {'; '.join(apart)})"
    return "; ".join([f"{rate}, free-running, {kind}", *rests, f"{split} opened {times}."])


def _percent(score: Score) -> str:
    rate = f"{100 * score.counts.rate:.1f} %"
    if score.low != score.low:  # NaN: too few trials for an interval
        return rate
    return f"{rate} (95 % {100 * score.low:.1f}\N{EN DASH}{100 * score.high:.1f})"
