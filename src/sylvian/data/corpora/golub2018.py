"""Reader of Golub et al. 2018: a cursor whose decoder a monkey learns anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.corpora.matlab import read_variable
from sylvian.data.corpora.pieces import Piece, numbered, refuse_shape, some
from sylvian.data.corpora.reading import as_float32, iso_date, no_sessions, reading
from sylvian.data.corpora.recordings import TRAIN
from sylvian.data.corpora.structs import number, only, text
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

_NAME = "exampleData.mat"
_PARTS = ("beforeLearning", "afterLearning")
_MONKEYS = {"Jeffy": "MonkeyJ"}
_GROUP = ChannelGroup(array="M1", feature="threshold crossings", start=0, stop=86)

GOLUB2018 = CorpusFacts(
    name="golub2018",
    title="monkey J's cursor control before and after learning a new decoder, M1, one example day",
    participants={
        "MonkeyJ": ParticipantFacts(
            n_channels=86,
            channels=(_GROUP,),
            sessions={"2012-03-05": {TRAIN: 16}},
            strategies=(Strategy.REACHING,),
            species="monkey",
        )
    },
    splits=(TRAIN,),
    bin_s=0.045,
    licence="BSD-3-Clause",
    citation="Golub et al. 2018, Learning by neural reassociation, Nature Neuroscience 21, 607-616",
    directions="download exampleData.mat of https://github.com/mattgolub/bci_learning and pass as "
    "--raw the folder that holds it",
)


class Golub2018:
    """`exampleData.mat`: clouds of activity patterns, in bins of 45 ms, which stay 45 ms wide.

    `beforeLearning` and `afterLearning` are blocks. A trial here is the cloud of one direction from
    cursor to target: the bins in which the cursor lay that way, in the order of time, so that
    neighbours in it need not be neighbours in time.

    Args:
        raw: Folder of the file.
        facts: What to expect.

    Source: bci_learning, `computeCloudStats.m` and the file itself.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts = GOLUB2018) -> None:
        self.facts = facts
        self._raw = Path(raw)

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the session on disk.

        Raises:
            DataError: the file is missing or damaged, of another monkey or with other bins.
        """
        paths = sorted(self._raw.rglob(_NAME))
        if not paths:
            raise no_sessions(self._raw, self.facts, f"{_NAME} file")
        if len(paths) > 1:
            raise DataError(f"{paths[1]}: there is {paths[0]} as well; remove one")
        return (self._session(paths[0]),)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the clouds, those before learning first.

        Raises:
            DataError: the file is damaged or not of the published layout.
        """
        return numbered(self._pieces(session.paths[TRAIN]), session, self.facts)

    def _session(self, path: Path) -> SessionRef:
        where = f"{path}: expParams"
        name, day, mapping = only(
            read_variable(path, "expParams"), "monkName", "expDate", "intuitiveMapping", where=where
        )
        session = iso_date(text(day))
        participant = _MONKEYS.get(text(name))
        if session is None or participant not in self.facts.participants:
            raise DataError(f"{where}: {text(name)!r} on {text(day)!r}; is it of this release?")
        (width,) = only(mapping, "dt", where=f"{where}.intuitiveMapping")
        width_s = number(width, f"{where}.intuitiveMapping.dt")
        if abs(width_s - self.facts.bin_s) > 0.01 * self.facts.bin_s:
            raise DataError(
                f"{where}: bins of {width_s * 1000:g} ms, facts say {self.facts.bin_s * 1000:g} ms"
            )
        return SessionRef(str(participant), session, {TRAIN: path})

    def _pieces(self, path: Path) -> Iterator[Piece]:
        width = self.facts.participants["MonkeyJ"].n_channels
        for block, part in enumerate(_PARTS, start=1):
            where = f"{path}: {part}"
            (clouds,) = only(read_variable(path, part), "clouds", where=where)
            (cells,) = only(clouds, "spikes", where=f"{where}.clouds")
            for cloud in some(np.ravel(cells), path):
                refuse_shape(cloud, (width, None), f"{where}.clouds.spikes")
                with reading(path):
                    features = as_float32(np.transpose(cloud))
                yield Piece(TRAIN, block, features, Strategy.REACHING, prompt_set=part)
