"""Small files of exactly the layouts in which monkey recordings were published.

Written from what public code reads of the releases, not with anything of ours.
"""

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from layouts.human import cell, write_mat

# ------------------------------------------------------------------------------------- NWB


def spike_times(rng, *, n_units, start=0.0, stop=10.0, rate=20.0):
    """Sorted times in seconds, another number for each unit."""
    counts = rng.poisson(rate * (stop - start), n_units)
    return [np.sort(rng.uniform(start, stop, n)) for n in counts]


def write_nwb(path: Path, *, date="2009-09-12", units=None, trials=None, series=(), withheld=None):
    """Write the parts of an NWB 2 file that hold spikes, trials and series, as pynwb lays them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version="2.4.0", namespace="core", neurodata_type="NWBFile")
        file["session_start_time"] = f"{date}T00:00:00-07:00"
        if units is not None:
            group = file.create_group("units")
            group["id"] = np.arange(len(units))
            group["spike_times"] = np.concatenate([np.empty(0), *units])
            ends = np.cumsum([len(times) for times in units])
            group["spike_times_index"] = ends.astype(np.min_scalar_type(int(max(ends, default=0))))
            group["electrodes"] = np.arange(len(units))
            if withheld is not None:
                group["heldout"] = np.array(withheld, bool)
        if trials is not None:
            group = file.create_group("intervals/trials")
            group["id"] = np.arange(len(trials["start_time"]))
            for name, values in trials.items():
                text = len(values) and isinstance(values[0], str)
                group.create_dataset(
                    name, data=values, dtype=h5py.string_dtype() if text else np.float64
                )
        for name, (data, times) in dict(series).items():
            file.create_dataset(f"{name}/data", data=data, compression="gzip", chunks=True)
            file[f"{name}/timestamps"] = times
    return path


def table(*spans, **columns):
    """Make a table of trials."""
    starts, stops = zip(*spans, strict=True)
    return {"start_time": starts, "stop_time": stops} | columns


def session_of_spikes(path, rng, *, n_units, date="2009-09-12", **columns):
    """Three trials of about a second, and spikes before, between and after them."""
    trials = table(
        (1.0, 2.0), (2.5, 3.6), (5.0, 6.21), target_on_time=[1.1, np.nan, 5.2], **columns
    )
    return write_nwb(path, date=date, units=spike_times(rng, n_units=n_units), trials=trials)


def churchland2012(raw: Path, rng) -> None:
    """A day of each monkey, the second with a clock that was started anew after two trials."""
    name = "sub-{0}/sub-{0}_ses-{1}_behavior+ecephys.nwb"
    session_of_spikes(raw / "000070" / name.format("Jenkins", "20090912"), rng, n_units=192)
    first = spike_times(rng, n_units=192, start=100.0, stop=104.0)
    second = spike_times(rng, n_units=192, start=7.0, stop=9.5)
    write_nwb(
        raw / "000070" / name.format("Nitschke", "20090910"),
        units=[np.concatenate(both) for both in zip(first, second, strict=True)],
        trials=table((100.0, 101.0), (102.0, 103.5), (7.0, 8.0), (8.0, 9.0)),
    )


def evenchen2019(raw: Path, rng) -> None:
    """A day with two recordings, and one of the other monkey."""
    name = "sub-{0}/sub-{0}_ses-{1}_behavior+ecephys.nwb"
    for monkey, moment in (
        ("Reggie", "20170116T102856"),
        ("Reggie", "20170116T143000"),
        ("JenkinsC", "20151001T150307"),
    ):
        session_of_spikes(raw / name.format(monkey, moment), rng, n_units=192)


def perich2018(raw: Path, rng) -> None:
    """Two days of one monkey, with other numbers of units."""
    name = "sub-C/sub-C_ses-{}_behavior+ecephys.nwb"
    session_of_spikes(raw / name.format("CO-20131003"), rng, n_units=71, result=["R", "A", "R"])
    session_of_spikes(raw / name.format("RT-20131009"), rng, n_units=65, result=["R", "R", "F"])


def mc_maze(raw: Path, rng) -> None:
    """Train and test file of one size, the train file of another; three units are withheld."""
    day = {"date": "2009-09-28"}
    name = "sub-Jenkins/sub-Jenkins_ses-{}_desc-{}ecephys.nwb"
    spans = (1.0, 3.0), (3.0, 5.4), (5.5, 7.0), (7.5, 9.0)
    write_nwb(
        raw / "000140" / name.format("small", "train_behavior+"),
        units=spike_times(rng, n_units=11),
        withheld=[unit in (0, 4, 10) for unit in range(11)],
        trials=table(*spans, split=["train", "val", "none", "train"]),
        **day,
    )
    write_nwb(
        raw / "000140" / name.format("small", "test_"),
        units=spike_times(rng, n_units=8, stop=1.5),
        withheld=[False] * 8,
        trials=table((0.0, 0.7), (0.8, 1.5), split=["test", "test"]),
        **day,
    )
    write_nwb(
        raw / "000139" / name.format("medium", "train_behavior+"),
        date="2009-09-25",
        units=spike_times(rng, n_units=9),
        withheld=[False] * 9,
        trials=table(*spans, split=["train", "train", "val", "train"]),
    )


def mc_rtt(raw: Path, rng) -> None:
    """Both files of the session, cut into pieces of 0.6 s."""
    name = "sub-Indy/sub-Indy_desc-{}ecephys.nwb"
    starts = 0.6 * np.arange(4)
    write_nwb(
        raw / name.format("train_behavior+"),
        date="2016-06-30",
        units=spike_times(rng, n_units=7, stop=2.6),
        withheld=[unit > 5 for unit in range(7)],
        trials=table(*zip(starts, starts + 0.6, strict=True), split=["train"] * 3 + ["val"]),
    )
    write_nwb(
        raw / name.format("test_"),
        date="2016-06-30",
        units=spike_times(rng, n_units=6, stop=1.2),
        withheld=[False] * 6,
        trials=table((0.0, 0.6), (0.6, 1.2), split=["test"] * 2),
    )


def link(
    path, rng, *, n_bins=150, step=0.02, gap_at=None, styles=("CO", "CO", "RD"), n_channels=96
):
    """Counts whose trials touch; the clock may jump by a second at one bin."""
    times = 4.0 + step * np.arange(n_bins)
    if gap_at is not None:
        times[gap_at:] += 1.0
    edges = np.linspace(0, n_bins, len(styles) + 1).astype(int)
    spans = [(times[a], times[b - 1]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    counts = rng.poisson(0.5, (n_bins, n_channels)).astype(float)
    return write_nwb(
        path,
        date="2020-01-27",
        trials=table(*spans, target_style=list(styles)),
        series={
            "analysis/ThresholdCrossings": (counts, times),
            "analysis/SpikingBandPower": (rng.normal(size=(n_bins, n_channels)), times),
        },
    )


def temmar2025(raw: Path, rng) -> None:
    """Two days of counts."""
    for day in ("20200127", "20200130"):
        link(raw / f"001201/sub-Monkey-N/sub-Monkey-N_ses-{day}_ecephys.nwb", rng)


# ---------------------------------------------------------------------------------- MATLAB


def structs(rows):
    """Make a MATLAB struct array."""
    made = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        made[0, place] = tuple(row.values())
    return made


def write_odoherty(path: Path, cells, *, times, n_channels=96):
    """Write as MATLAB 7.3 does: `spikes` as references, units along its first axis in HDF5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        references = np.empty((len(cells), n_channels), h5py.ref_dtype)
        for unit, row in enumerate(cells):
            for channel, spikes in enumerate(row):
                name = f"#refs#/u{unit}c{channel}"
                if len(spikes):
                    file[name] = np.asarray(spikes, float)[None]
                else:  # of an empty array 7.3 stores the shape
                    file[name] = np.zeros(2, np.uint64)
                    file[name].attrs["MATLAB_empty"] = np.uint8(1)
                references[unit, channel] = file[name].ref
        file.create_dataset("spikes", data=references, dtype=h5py.ref_dtype)
        file["t"] = np.asarray(times, float)[None]
        file["cursor_pos"] = np.zeros((2, len(times)))
    return path


def odoherty_cells(rng, *, n_units=3, n_channels=96, start=500.0, stop=512.0):
    """Spikes of each unit and electrode; some cells are empty."""
    cells = [spike_times(rng, n_units=n_channels, start=start, stop=stop, rate=3) for _ in "abc"]
    for unit in range(n_units):
        cells[unit][unit :: 5 + unit] = [np.empty(0)] * len(cells[unit][unit :: 5 + unit])
    return cells[:n_units]


def odoherty2017(raw: Path, rng) -> None:
    """Two recordings of a day, and one of the other monkey with both arrays."""
    times = 500.0 + 0.004 * np.arange(3001)
    for name, n_channels in (
        ("indy_20160411_01", 96),
        ("indy_20160411_02", 96),
        ("loco_20170210_03", 192),
    ):
        cells = odoherty_cells(rng, n_channels=n_channels)
        write_odoherty(raw / f"{name}.mat", cells, times=times, n_channels=n_channels)


def trial_data(rng, *, n_bins=(1503, 402), n_units=74, bin_size=0.01, monkey="C"):
    """`trial_data`: a struct whose elements are continuous recordings."""
    return structs(
        [
            {
                "monkey": monkey,
                "date_time": "2017/9/13 11:35:01.000",
                "task": "COactpas",
                "bin_size": bin_size,
                "S1_spikes": rng.poisson(0.1, (n, n_units)).astype(np.uint8),
                "S1_unit_guide": np.stack([np.arange(n_units) + 1, np.arange(n_units) % 3], 1),
                "idx_startTime": np.array([[1.0, 700.0]]),
                "pos": rng.normal(size=(n, 2)),
            }
            for n in n_bins
        ]
    )


def chowdhury2020(raw: Path, rng) -> None:
    """Two days, one in two parts."""
    folder = raw / "s1-kinematics/reaching_experiments"
    write_mat(folder / "C_20170912_COactpas_TD.mat", {"trial_data": trial_data(rng)})
    one = trial_data(rng, n_bins=(1800,), n_units=58, monkey="L")
    write_mat(folder / "L_20170921_TRT_TD.mat", {"trial_data": one})


def xds(rng, *, n_bins=12_345, n_channels=95, width=0.001):
    """Fields of `xds`, with the axes as MATLAB shows them."""
    return {
        "spike_counts": rng.poisson(0.02, (n_bins, n_channels)).astype(float),
        "bin_width": width,
        "time_frame": 0.5 + width * np.arange(n_bins)[:, None],
        "trial_start_time": np.array([[1.0], [4.0]]),
        "meta": {"monkey": "Jango", "task": "WF"},
        "sorted": 0,
    }


def write_xds_7_3(path: Path, fields):
    """Write `xds` as a group, every array transposed, counts compressed in chunks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name in ("spike_counts", "bin_width", "time_frame", "trial_start_time"):
            if name in fields:
                value = np.atleast_2d(fields[name]).T
                many = {"compression": "gzip", "chunks": True} if value.size > 1 else {}
                file.create_dataset(f"xds/{name}", data=value, **many)
    return path


def ma2023(raw: Path, rng) -> None:
    """A file of each MATLAB version, with other numbers of channels."""
    write_xds_7_3(raw / "Jango_ISO_2015/Jango_20150730_001.mat", xds(rng))
    write_mat(
        raw / "Mihili_RT_2013_2014/Mihili_20131207_001_RT.mat", {"xds": xds(rng, n_channels=94)}
    )


def stabilised(rng, *, kinds=("observation", "baselineEvaluation", "perturbationEvaluation")):
    """Variables of `20160325.mat`: three trials of each kind, none of the first with counts."""
    rows = []
    for place, (kind, n) in enumerate((kind, n) for kind in kinds for n in range(3)):
        n_bins = 0 if kind == "observation" else 20 + n
        counts = rng.poisson(2, (n_bins, 96 if n_bins else 0)).astype(np.uint8)
        rows.append({"id": place + 1, "binCounts": counts, "type": kind})
    good = np.setdiff1d(np.arange(1, 97), [9, 22, 55])
    return {"trialData": structs(rows), "goodElectrodes": good[None].astype(np.uint8)}


def degenhart2020(raw: Path, rng) -> None:
    """The one day."""
    write_mat(raw / "20160325.mat", stabilised(rng))


def two_decoders(rng, *, n_bins=(500, 260), n_channels=(87, 87)):
    """Variable of a session: counts of two blocks."""
    blocks = [
        {"block_index": index, "spikes": rng.poisson(2, shape).astype(np.uint8)}
        for index, shape in enumerate(zip(n_bins, n_channels, strict=True), start=1)
    ]
    return {"D": {"datestr": "20131218", "blocks": structs(blocks)}}


def hennig2018(raw: Path, rng) -> None:
    """Days of two monkeys, with other numbers of channels."""
    write_mat(raw / "20131218.mat", two_decoders(rng))
    write_mat(raw / "20120525.mat", two_decoders(rng, n_channels=(85, 85)))


def clouds(rng, *, width=0.045, monkey="Jeffy", n_channels=86):
    """Variables of `exampleData.mat`: eight clouds before learning and eight after."""
    variables = {
        "expParams": {
            "monkName": monkey,
            "expDate": "20120305",
            "intuitiveMapping": {"dt": width, "M1": np.eye(2)},
        }
    }
    for part in ("beforeLearning", "afterLearning"):
        cells = [rng.poisson(2, (n_channels, 69)).astype(np.uint8) for _ in range(8)]
        variables[part] = {"name": "Data", "clouds": {"spikes": cell(cells, column=False)}}
    return variables


def golub2018(raw: Path, rng) -> None:
    """The one example."""
    raw.mkdir(parents=True, exist_ok=True)
    savemat(raw / "exampleData.mat", clouds(rng))


EVERY = (
    churchland2012,
    odoherty2017,
    perich2018,
    evenchen2019,
    chowdhury2020,
    ma2023,
    temmar2025,
    mc_maze,
    mc_rtt,
    degenhart2020,
    hennig2018,
    golub2018,
)
