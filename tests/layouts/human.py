"""Small files of exactly the layouts in which human recordings were published.

Written from what public code reads of the releases, not with anything of ours. A function makes the
variables of one file, so that a test can change one before it is written.
"""

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat


def cell(items, *, column=True):
    """Make a MATLAB cell, a column unless told otherwise."""
    made = np.empty((len(items), 1) if column else (1, len(items)), object)
    made.flat = [None] * len(items)
    for place, item in enumerate(items):
        made.flat[place] = item
    return made


def column(values, dtype=np.uint16):
    return np.array(values, dtype)[:, None]


def write_mat(path: Path, variables) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)
    return path


# ----------------------------------------------------------------------------- willett2021


def single_letters(rng, *, n_channels=192, cues=("a", "comma", "doNothing"), blocks=(3, 4)):
    """`singleLetters.mat`: every cue once a block, 60 bins of 10 ms from one delay to the next."""
    per_block = 20 + 60 * len(cues)
    series = rng.poisson(0.3, (per_block * len(blocks), n_channels)).astype(np.uint8)
    onsets = [
        1 + 20 + 60 * n + per_block * place
        for place in range(len(blocks))
        for n in range(len(cues))
    ]
    cubes = {f"neuralActivityCube_{cue}": np.zeros((len(blocks), 201, n_channels)) for cue in cues}
    return cubes | {
        "neuralActivityTimeSeries": series,
        "clockTimeSeries": 0.01 * np.arange(len(series))[:, None],
        "blockNumsTimeSeries": column(np.repeat(blocks, per_block)),
        "blockList": column(blocks),
        "characterCues": cell(list(cues) * len(blocks)),
        "delayPeriodOnsetTimeBin": column(onsets, float),
        "goPeriodOnsetTimeBin": column(onsets, float) + 30,
        "meansPerBlock": np.zeros((len(blocks), n_channels)),
        "stdAcrossAllData": np.ones((1, n_channels)),
    }


def written_sentences(rng, *, n_channels=192, blocks=(7, 7, 8), excluded=(0, 0, 1)):
    """`sentences.mat`: a zero-padded cube of counts in bins of 10 ms."""
    n = len(blocks)
    lengths = 50 + 7 * np.arange(n)
    cube = rng.poisson(0.3, (n, lengths.max() + 20, n_channels)).astype(np.uint8)
    for place, length in enumerate(lengths):
        cube[place, length:] = 0
    return {
        "neuralActivityCube": cube,
        "numTimeBinsPerSentence": column(lengths),
        "sentencePrompt": cell(["he>said>so~#", "it's>me,>too?#", "x#"][:n]),
        "sentenceBlockNums": column(blocks),
        "blockList": column(sorted(set(blocks))),
        "excludedSentences": column(excluded, np.uint8),
        "neuralActivityTimeSeries": cube.reshape(-1, n_channels),
    }


def willett2021(raw: Path, rng) -> None:
    """Two days, the second with letters only."""
    for day in ("t5.2019.05.08", "t5.2019.11.25"):
        write_mat(raw / "Datasets" / day / "singleLetters.mat", single_letters(rng))
    write_mat(raw / "Datasets" / "t5.2019.05.08" / "sentences.mat", written_sentences(rng))


# ----------------------------------------------------------------------------- fan2023


def corp_sentences(rng, *, n_channels=192, blocks=(2, 2, 3)):
    """A day's file: ragged trials in bins of 20 ms."""
    trials = [rng.poisson(0.6, (30 + 5 * n, n_channels)).astype(float) for n in range(len(blocks))]
    return {
        "neuralActivityCube": cell(trials, column=False),
        "sentencePrompt": cell(["he>said>so~", "too?", "stop~"][: len(blocks)], column=False),
        "numTimeBinsPerSentence": np.array([[len(trial) for trial in trials]]),
        "blockList": np.array([blocks]),
        "excludedTrials": np.array([[False] * (len(blocks) - 1) + [True]]),
        "goCueTimes": np.arange(len(blocks))[None] * 10.0,
        "delayCueTimes": np.arange(len(blocks) + 1)[None] * 10.0,
    }


def fan2023(raw: Path, rng) -> None:
    """A seed day, and a day that is in both parts of the online evaluation."""
    for part, day, blocks in (
        ("seed_model_training_data", "t5.2022.05.18", (2, 2, 3)),
        ("online_evaluation_data/no_recalibration", "t5.2022.09.29", (4, 4)),
        ("online_evaluation_data/recalibration", "t5.2022.09.29", (6, 6)),
    ):
        write_mat(raw / part / "mat" / f"{day}.mat", corp_sentences(rng, blocks=blocks))


# ----------------------------------------------------------------------------- falcon


def write_nwb(path: Path, datasets, attributes=()) -> Path:
    """Write datasets by their path in the file, then attributes by path and name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        for name, values in datasets.items():
            file[name] = values
        for name, key, value in attributes:
            file[name].attrs[key] = value
    return path


def h2_file(rng, *, n_channels=192, n_trials=3, block=5):
    """Counts in bins of 20 ms, cut out around the trials: the clock jumps between them."""
    times = np.concatenate([10.0 * n + 0.02 * np.arange(40) for n in range(n_trials)])
    starts = 10.0 * np.arange(n_trials)
    return {
        "acquisition/binned_spikes/data": rng.poisson(0.6, (len(times), n_channels)).astype(float),
        "acquisition/binned_spikes/timestamps": times,
        "acquisition/eval_mask/data": np.ones(len(times), bool),
        "acquisition/eval_mask/timestamps": times,
        "intervals/trials/id": np.arange(n_trials),
        "intervals/trials/start_time": starts,
        "intervals/trials/stop_time": starts + 0.02 * (30 + np.arange(n_trials)),
        "intervals/trials/cue": ["he>said>so~", "too?", "stop~"][:n_trials],
        "intervals/trials/block_num": np.full(n_trials, block),
        "session_start_time": "2022-05-18T12:00:00-07:00",
    }


def units(rng, *, n_channels, stop_s):
    """`units`: spike times of every channel, one of them silent."""
    times = [np.sort(rng.uniform(0, stop_s, rng.poisson(8 * stop_s))) for _ in range(n_channels)]
    times[1] = np.zeros(0)
    return {
        "units/id": np.arange(n_channels),
        "units/spike_times": np.concatenate(times),
        "units/spike_times_index": np.cumsum([len(unit) for unit in times]),
    }


def h1_file(rng, *, n_channels=176, n_trials=3):
    """Spike times, and for each bin of 20 ms, told by its end, a trial number; no table of trials.

    The second value is the attributes: the period of the bins is written where the standard wants
    their rate.
    """
    numbers = np.repeat(np.arange(1.0, n_trials + 1), 40)
    datasets = units(rng, n_channels=n_channels, stop_s=0.02 * len(numbers)) | {
        "acquisition/OpenLoopKinematics/data": np.zeros((len(numbers), 7)),
        "acquisition/OpenLoopKinematics/starting_time": 0.0,
        "acquisition/TrialNum/data": numbers,
        "acquisition/TrialNum/starting_time": 0.0,
        "acquisition/eval_mask/data": np.ones(len(numbers), bool),
    }
    attributes = [("acquisition/OpenLoopKinematics/starting_time", "rate", 0.02)]
    attributes += [("acquisition/OpenLoopKinematics/data", "offset", 0.02)]
    return datasets, attributes


def reaches_file(rng, *, n_channels, n_trials=3):
    """M1 and M2: spike times and a table of trials, of which neighbours overlap by 0.2 s."""
    starts = 1.0 * np.arange(n_trials)
    return units(rng, n_channels=n_channels, stop_s=n_trials + 1.0) | {
        "intervals/trials/id": np.arange(n_trials),
        "intervals/trials/start_time": starts,
        "intervals/trials/stop_time": starts + 1.2,
    }


def falcon(raw: Path, rng) -> None:
    """H2: a held-in day with minival, and a held-out day; as `dandi download` leaves them."""
    for part, day, block in (
        ("held-in-minival", "20220518", 4),
        ("held-in-calib", "20220518", 5),
        ("held-out-calib", "20230417", 2),
    ):
        folder = raw / "000950" / f"sub-T5-{part}"
        write_nwb(folder / f"sub-T5-{part}_ses-{day}.nwb", h2_file(rng, block=block))


def falcon_h1(raw: Path, rng) -> None:
    """Two runs of a day; minival begins as the first of them does."""
    for time in ("111740", "112404"):
        datasets, attributes = h1_file(rng)
        name = f"sub-HumanPitt-held-in-calib_ses-19250101T{time}.nwb"
        write_nwb(raw / "sub-HumanPitt-held-in-calib" / name, datasets, attributes)
        if time == "111740":
            keep = 60  # the second trial is cut in the middle
            for part in ("TrialNum", "OpenLoopKinematics", "eval_mask"):
                datasets[f"acquisition/{part}/data"] = datasets[f"acquisition/{part}/data"][:keep]
            name = name.replace("calib", "minival")
            write_nwb(raw / "sub-HumanPitt-held-in-minival" / name, datasets, attributes)


def falcon_m1(raw: Path, rng) -> None:
    for part, day in (("held-in-calib", "20120924"), ("held-out-calib", "20121004")):
        name = f"sub-MonkeyL-{part}_ses-{day}_behavior+ecephys.nwb"
        write_nwb(raw / f"sub-MonkeyL-{part}" / name, reaches_file(rng, n_channels=64))


def falcon_m2(raw: Path, rng) -> None:
    for run in ("Run1", "Run2"):
        name = f"sub-MonkeyN-held-in-calib_ses-2020-10-19-{run}_behavior+ecephys.nwb"
        write_nwb(raw / "sub-MonkeyN-held-in-calib" / name, reaches_file(rng, n_channels=96))


# ----------------------------------------------------------------------------- kunz2025


def verbal_behaviour(rng, *, n_columns=128, bin_ms=20, blocks=(2, 3), cues=("DO_NOTHING", "ban")):
    """A file of cued words: continuous features, epochs counted from one, ends included."""
    per_trial = 2 * round(800 / bin_ms)
    n_trials = len(blocks) * len(cues)
    n_bins = per_trial * n_trials
    delays = 1 + per_trial * np.arange(n_trials)
    half = per_trial // 2
    return {
        "binnedTX": rng.poisson(0.3, (n_bins, n_columns)).astype(np.uint8),
        "spikePow": rng.gamma(2.0, 20.0, (n_bins, n_columns)).astype(np.float32),
        "blockNum": column(np.repeat(blocks, n_bins // len(blocks))),
        "delayTrialEpochs": np.stack([delays, delays + half - 1], axis=1),
        "goTrialEpochs": np.stack([delays + half, delays + per_trial - 10], axis=1),
        "trialCues": column(1 + np.arange(n_trials) % len(cues)),
        "cueList": cell(list(cues), column=False),
        "chanSets": cell([np.arange(1, n_columns // 2), np.arange(n_columns // 2, n_columns)]),
        "chanSetNames": cell(["i6v", "s6v"]),
        "binSize": np.array([[bin_ms]]),
    }


def imagined_sentences(rng, *, n_columns=128, bin_ms=20, blocks=(5,)):
    """A file of sentences by the schema that docs/corpora.md states."""
    variables = verbal_behaviour(rng, n_columns=n_columns, bin_ms=bin_ms, blocks=blocks)
    del variables["trialCues"], variables["cueList"]
    prompts = [f"I am okay, {block}." for block in blocks for _ in range(2)]
    return variables | {"sentences": cell(prompts)}


def kunz2025(raw: Path, rng) -> None:
    """Two participants: words alone, words interleaved, and sentences."""
    words = raw / "isolatedVerbalBehaviors" / "isolatedVerbalBehaviors"
    for block, behaviour in enumerate(("attempted", "imagined1stMotor", "listening")):
        variables = verbal_behaviour(rng, blocks=(2 * block, 2 * block + 1))
        write_mat(words / f"t12.2023.08.15_{behaviour}_raw.mat", variables)
    mixed = ("DO_NOTHING", "ban (attempted)", "ban (imaginedlistening)", "day (passivelistening)")
    name = "t15.2024.06.14_interleavedVerbalBehaviors_raw.mat"
    write_mat(
        raw / "interleavedVerbalBehaviors" / name,
        verbal_behaviour(rng, n_columns=256, bin_ms=10, blocks=(1,), cues=mixed),
    )
    for split, block in (("train", 5), ("val_50words", 6)):
        variables = imagined_sentences(rng, blocks=(block,))
        write_mat(raw / "sentenceData" / split / "t12.2024.04.11.mat", variables)
