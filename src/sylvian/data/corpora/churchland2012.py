"""Reader of DANDI:000070 (Churchland et al. 2012): reaching past barriers, M1 and PMd."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.corpora.clocks import epochs, spikes_of_epochs
from sylvian.data.corpora.nwb import Times, open_nwb
from sylvian.data.corpora.pieces import Piece
from sylvian.data.corpora.recordings import TRAIN, Take
from sylvian.data.corpora.spikes import (
    Intervals,
    SpikeRecordings,
    binned,
    read_intervals,
    refuse_spikes,
)
from sylvian.errors import DataError
from sylvian.types import Strategy

_GROUP = ChannelGroup(
    array="M1 and PMd", feature="threshold crossings or sorted spikes", start=0, stop=192
)
_MONKEY = ParticipantFacts(
    n_channels=192, channels=(_GROUP,), strategies=(Strategy.REACHING,), species="monkey"
)

CHURCHLAND2012 = CorpusFacts(
    name="churchland2012",
    title="monkeys Jenkins and Nitschke reach past barriers, M1 and PMd (mc_maze is of the same "
    "experiments)",
    participants={"Jenkins": _MONKEY, "Nitschke": _MONKEY},
    splits=(TRAIN,),
    licence="CC-BY-4.0",
    citation="Churchland et al. 2012, Neural population dynamics during reaching, "
    "Nature 487, 51-56",
    directions="run 'sylvian fetch churchland2012 --raw DIR', or download "
    "https://dandiarchive.org/dandiset/000070 and pass its folder as --raw",
)


class Churchland2012(SpikeRecordings):
    """`sub-<monkey>_ses-YYYYMMDD_behavior+ecephys.nwb`: 192 electrodes, trials in a table.

    In some sessions the clock was started anew, so that trials go back in time and so do the spikes
    of every unit. Each such epoch is a block of its own here. A unit whose spikes cannot be told
    apart by epoch is silent in that session.

    Args:
        raw: Folder of the dandiset, or one above it.
        facts: What to expect.

    Source: brainsets, `churchland_shenoy_neural_2012` (names, layout, restarted clocks).
    """

    pattern = re.compile(
        r"sub-(?P<participant>Jenkins|Nitschke)_ses-(?P<date>\d{8})_behavior\+ecephys\.nwb"
    )
    expected = "sub-Jenkins_ses-YYYYMMDD_behavior+ecephys.nwb file"

    def __init__(self, raw: Path, *, facts: CorpusFacts = CHURCHLAND2012) -> None:
        super().__init__(raw, facts=facts)

    def _session(self, participant: str, session: str, paths: list[Path]) -> SessionRef:
        ref = super()._session(participant, session, paths)
        notes = []
        for path in paths:
            with open_nwb(path) as file:
                n_epochs = len(epochs(read_intervals(file).starts))
            if n_epochs > 1:
                notes.append(
                    f"{path}: the clock was started anew {n_epochs - 1} times; each part is a "
                    "block, and units whose spikes cannot be told apart are silent"
                )
        return replace(ref, notes=tuple(notes))

    def _read(self, take: Take) -> Iterator[Piece]:
        with open_nwb(take.path) as file:
            trials, units = read_intervals(file), file.spike_times()
        parts = epochs(trials.starts)
        for place, (part, its_units) in enumerate(
            zip(parts, _by_epoch(units, trials, parts, take.path), strict=True)
        ):
            its_trials = Intervals(trials.starts[part], trials.stops[part], {})
            refuse_spikes(its_units, *its_trials.span, take.path)
            for features in binned(its_units, its_trials, self.facts.bin_s, take.path):
                if len(features):
                    yield replace(take, block=take.block + place).piece(features)


def _by_epoch(
    units: Sequence[Times], trials: Intervals, parts: Sequence[slice], path: Path
) -> list[list[Times]]:
    """Give the units' spikes for each epoch."""
    if len(parts) == 1:
        return [list(units)]
    spans = [(float(trials.starts[part].min()), float(trials.stops[part].max())) for part in parts]
    divided = [spikes_of_epochs(times, spans) for times in units]
    if all(one is None for one in divided):
        raise DataError(
            f"{path}: the clock was started anew {len(parts) - 1} times, and the spikes of no unit "
            "can be told apart; download the file again"
        )
    silent: list[Times] = [np.empty(0)] * len(parts)
    return [[(one or silent)[place] for one in divided] for place in range(len(parts))]
