"""Reader of whatever brainsets (torch_brain) has prepared, so that it needs no reader of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from sylvian.data.corpora import BRAINSET
from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts, SessionRef, Species
from sylvian.data.corpora.binning import BIN_S, bin_spike_times
from sylvian.data.corpora.nwb import Times
from sylvian.data.corpora.pieces import Piece, numbered
from sylvian.data.corpora.reading import iso_date, reading
from sylvian.data.corpora.recordings import TRAIN
from sylvian.data.corpora.spikes import refuse_spikes
from sylvian.data.corpora.windows import windows
from sylvian.errors import ConfigError, DataError
from sylvian.types import Strategy, Trial

# The package of its own, and what took it in with torch_brain 0.2; both write the same files.
_LIBRARIES = ("temporaldata", "torch_brain.data")
_AGAIN = "prepare it again with 'brainsets prepare'"
# Words of a task's name. Nearly all published brainsets of spikes are of reaching, so that whatever
# has none of these words counts as reaching.
_STRATEGIES = {
    "speak": Strategy.ATTEMPTED,
    "speech": Strategy.ATTEMPTED,
    "writing": Strategy.HANDWRITING,
}
# A subject's species is a Latin name, a number of NCBI's taxonomy, or an English word; where there
# is no subject (pei_pandarinath_nlb_2021), the brainset's description names the animal.
_SPECIES: dict[str, Species] = {
    r"homo|(?<!non)(?<!non-)human|9606": "human",
    "macaca|macaque|monkey|marmoset|callithrix|9483|954[1-5]": "monkey",
}

Spans = Float64[np.ndarray, "spans 2"]


@dataclass(frozen=True, slots=True)
class _Recording:
    """What a file says of itself."""

    path: Path
    participant: str
    session: str
    animal: str | None
    task: str | None
    source: str | None

    @property
    def species(self) -> Species:
        animal = (self.animal or "").lower()
        found = [species for names, species in _SPECIES.items() if re.search(names, animal)]
        return found[0] if len(found) == 1 else "other"

    @property
    def strategy(self) -> Strategy:
        task = (self.task or "").lower()
        found = (strategy for word, strategy in _STRATEGIES.items() if word in task)
        return next(found, Strategy.REACHING)


class Brainset:
    """A brainset's folder: `<recording>.h5`, written by temporaldata or torch_brain.

    Participants are the subjects, sessions the recordings, columns the units that ever fired, in
    their order: a unit without a spike is no channel. Spikes are counted in 20 ms bins where both
    the recording and its spikes were valid (`domain`, `spikes.domain`): an interval up to 10 s is
    one trial, a longer one is cut into windows, and what is outside is not read. The brainset's own
    splits are not used, because they cut the same seconds into trials of a task we do not decode.

    Args:
        raw: The brainset's folder, or the folder of all brainsets.
        name: Name of the brainset.

    Raises:
        ConfigError: no package that reads these files is installed, or the name is no name.
        DataError: there is no recording, or one is damaged or of another brainset.
    """

    def __init__(self, raw: Path, *, name: str) -> None:
        if not re.fullmatch(r"\w[\w-]*", name):
            raise ConfigError(
                f"{BRAINSET}{name}: give the brainset's name, like {BRAINSET}my_lab_2026"
            )
        folder = raw / name if (Path(raw) / name).is_dir() else Path(raw)
        recordings = [_described(path, name) for path in sorted(folder.glob("*.h5"))]
        if not recordings:
            raise DataError(
                f"{folder}: no recording (.h5) found; run 'brainsets prepare {name}' and give its "
                "processed folder as --raw"
            )
        self._recordings = _by_place(recordings)
        self.facts = _facts(name, recordings)

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the recordings, sorted by participant and date."""
        return tuple(
            SessionRef(*place, {TRAIN: recording.path})
            for place, recording in sorted(self._recordings.items())
        )

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the windows of a recording.

        Raises:
            DataError: the file is damaged, has no spikes or units, spikes of units it does not
                list or of another clock, or intervals that overlap or are out of order.
        """
        recording = self._recordings[session.participant, session.session]
        return numbered(_pieces(recording), session, self.facts)


def _library() -> Any:
    for home in _LIBRARIES:
        try:
            return import_module(home).Data
        except ImportError:
            continue
    raise ConfigError(
        "brainsets are read with the package temporaldata, which is not installed; run "
        "pip install 'sylvian[brainsets]'"
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a recording without reading its arrays.

    Raises:
        DataError: anything inside raised because the file is damaged.
    """
    library = _library()
    with reading(path, advice=_AGAIN):
        try:
            with library.load(path) as data:
                yield data
        except AssertionError as failure:  # how the library refuses an unknown layout
            raise DataError(f"{path}: not written by brainsets ({failure}); {_AGAIN}") from failure


def _described(path: Path, name: str) -> _Recording:
    with _opened(path) as data:
        found = _told(data, "brainset.id")
        if found != name:
            raise DataError(f"{path}: of brainset {found!r}, not {name!r}; take it elsewhere")
        day = (_told(data, "session.recording_date") or "")[:10]
        device = _told(data, "device.id") or ""
        participant = _told(data, "subject.id") or re.sub(r"_\d{8}.*", "", device)
        if not _plain(participant):
            raise DataError(f"{path}: tells neither subject.id nor device.id; {_AGAIN}")
        return _Recording(
            path,
            _plain(participant),
            _session(path.stem, participant, iso_date(day.replace("-", ""))),
            _told(data, "subject.species") or _told(data, "brainset.description"),
            _told(data, "session.task"),
            _told(data, "brainset.source"),
        )


def _told(data: Any, name: str) -> str | None:
    return str(data.get_nested_attribute(name)) if data.has_nested_attribute(name) else None


def _plain(name: str) -> str:
    """Make a name fit for a folder and a trial key."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-_.")


def _session(stem: str, participant: str, day: str | None) -> str:
    """Put the date first, then what the file's name tells beside it and the participant."""
    if day is None:
        return _plain(stem)
    rest = re.sub(rf"^{re.escape(participant)}(?![^\W_])", "", stem)
    rest = _plain(rest.replace(day.replace("-", ""), ""))
    return "-".join(part for part in (day, re.sub("__+", "_", rest)) if part)


def _by_place(recordings: list[_Recording]) -> dict[tuple[str, str], _Recording]:
    places: dict[tuple[str, str], _Recording] = {}
    for one in recordings:
        other = places.setdefault((one.participant, one.session), one)
        if other is not one:
            raise DataError(
                f"{one.path}: cannot be told from {other.path}, both would be session "
                f"{one.participant}/{one.session}; rename one"
            )
    return places


def _facts(name: str, recordings: list[_Recording]) -> CorpusFacts:
    people: dict[str, ParticipantFacts] = {}
    for participant in sorted({one.participant for one in recordings}):
        own = [one for one in recordings if one.participant == participant]
        people[participant] = ParticipantFacts(
            n_channels=None,
            strategies=tuple(dict.fromkeys(one.strategy for one in own)),
            species=own[0].species,
        )
    source = recordings[0].source or "an unnamed source"
    return CorpusFacts(
        name=BRAINSET + name,
        title=f"brainset {name}, prepared from {source}",
        participants=people,
        splits=(TRAIN,),
        bin_s=BIN_S,
        directions=f"run 'brainsets prepare {name}' and give its processed folder as --raw",
    )


def _pieces(recording: _Recording) -> Iterator[Piece]:
    path = recording.path
    with _opened(path) as data:
        spans, units = _spans(data, path), _spike_times(data, path)
    refuse_spikes(units, float(spans[0, 0]), float(spans[-1, 1]), path)
    heard = [times for times in units if _fires(times, spans)]
    if not heard:
        raise DataError(f"{path}: no unit has a spike within the recording; take it elsewhere")
    for first, last in spans:
        for window in windows(round((last - first) / BIN_S), bin_s=BIN_S):
            features = bin_spike_times(
                heard,
                start_s=first + window.start * BIN_S,
                stop_s=first + window.stop * BIN_S,
                where=str(path),
                is_sorted=True,
            )
            yield Piece(TRAIN, 1, features, recording.strategy, prompt_set=recording.task)


def _spans(data: Any, path: Path) -> Spans:
    """Find the whole bins in which both the recording and its spikes were valid, in seconds."""
    if not data.has_nested_attribute("spikes") or data.domain is None:
        raise DataError(f"{path}: has no spikes; only brainsets of spikes can be read")
    for name, domain in (("domain", data.domain), ("spikes.domain", data.spikes.domain)):
        edges = np.ravel(np.stack([domain.start, domain.end], axis=1))
        if not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
            raise DataError(
                f"{path}: the intervals of {name} overlap, are out of order or not finite; {_AGAIN}"
            )
    shared = data.domain & data.spikes.domain
    n_bins = np.floor((shared.end - shared.start) / BIN_S + 1e-6)
    spans = np.stack([shared.start, shared.start + BIN_S * n_bins], axis=1)[n_bins > 0]
    if not len(spans):
        raise DataError(f"{path}: empty, the recording is shorter than a bin; take it elsewhere")
    return np.asarray(spans, np.float64)


def _spike_times(data: Any, path: Path) -> list[Times]:
    """Divide the spikes among the units."""
    if not data.has_nested_attribute("units") or not data.units.keys():
        raise DataError(f"{path}: lists no units; {_AGAIN}")
    times = np.asarray(data.spikes.timestamps, np.float64)
    units, n_units = np.asarray(data.spikes.unit_index), len(data.units)
    if units.shape != times.shape or units.dtype.kind not in "iu":
        raise DataError(f"{path}: spikes.unit_index has not one whole number a spike; {_AGAIN}")
    if len(units) and not 0 <= units.min() <= units.max() < n_units:
        raise DataError(
            f"{path}: spikes.unit_index is from {units.min()} to {units.max()}, but there are "
            f"{n_units} units; {_AGAIN}"
        )
    order = np.argsort(units, kind="stable")
    return np.split(times[order], np.cumsum(np.bincount(units, minlength=n_units))[:-1])


def _fires(times: Times, spans: Spans) -> bool:
    return bool(np.diff(np.searchsorted(times, np.ravel(spans)))[::2].any())
