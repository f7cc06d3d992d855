"""Small recordings as brainsets' own pipelines store them, written by the library they use."""

from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
from temporaldata import ArrayDict, Data, Interval, IrregularTimeSeries

NAME = "perich_miller_population_2018"


def spikes_and_units(times, *, domain="auto"):
    """Join the spikes of units, as brainsets' helper for NWB files does."""
    n_units = len(times)
    spikes = IrregularTimeSeries(
        timestamps=np.concatenate(times),
        unit_index=np.concatenate([[unit] * len(one) for unit, one in enumerate(times)]).astype(
            int
        ),
        domain=domain,
    )
    spikes.sort()
    units = ArrayDict(
        id=np.array([f"group_M1/elec{unit}/unit_{unit}" for unit in range(n_units)]),
        unit_number=np.arange(n_units),
        count=np.array([len(one) for one in times]),
    )
    return spikes, units


def cursor(start, stop):
    """A hand that stands still, tracked at 100 Hz."""
    timestamps = np.arange(start, stop, 0.01)
    still = np.zeros((len(timestamps), 2))
    return IrregularTimeSeries(timestamps=timestamps, pos=still, vel=still, domain="auto")


def described(name, subject, stem, *, date="20131003", species="Macaca mulatta", task="REACHING"):
    """What every pipeline tells of a recording."""
    about = Data(id=name, origin_version="dandi/000688/draft", derived_version="1.0.0")
    about.description = "Spikes of a macaque that performed a delayed reaching task."
    about.source = "https://dandiarchive.org/dandiset/000688"
    session = Data(id=stem, task=task, recording_date=datetime.strptime(date, "%Y%m%d"))
    return {
        "brainset": about,
        "subject": Data(id=subject, species=species, sex="M"),
        "session": session,
        "device": Data(id=f"{subject}_{date}", recording_tech="UTAH_ARRAY_SPIKES"),
    }


def save(folder: Path, stem, data):
    """Store a recording, times and dates as brainsets serialises them."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / f"{stem}.h5", "w") as file:
        data.to_hdf5(file, serialize_fn_map={datetime: lambda day, serialize_fn_map=None: str(day)})
    return folder / f"{stem}.h5"


def recording(folder: Path, times, *, subject="c", date="20131003", stop=25.0, **told):
    """A session of perich_miller_population_2018: centre-out reaches, units sorted by hand.

    Spikes are recorded a little longer than the cursor is tracked.
    """
    stem = f"{subject}_{date}_center_out_reaching"
    hand = cursor(1.0, stop)
    starts = np.arange(1.0, stop - 3.0, 3.0)
    trials = Interval(
        start=starts,
        end=starts + 3.0,
        go_cue_time=starts + 1.0,
        result=np.array(["R"] * len(starts)),
        is_valid=np.ones(len(starts), bool),
        timekeys=["start", "end", "go_cue_time"],
    )
    spikes, units = spikes_and_units(times)
    data = Data(
        **described(told.pop("name", NAME), subject, stem, date=date, **told),
        spikes=spikes,
        units=units,
        trials=trials,
        movement_phases=Data(hold_period=Interval(starts, starts + 1.0), domain="auto"),
        cursor=hand,
        cursor_outlier_segments=Interval(np.array([2.0]), np.array([2.5])),
        domain=hand.domain,
    )
    data.train_domain, data.valid_domain = trials.split([0.8, 0.2], shuffle=True, random_seed=42)
    return save(folder, stem, data)
