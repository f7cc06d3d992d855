"""A small corpus of every kind, written as published and opened with its reader."""

import h5py
import numpy as np
from scipy.io import savemat

from layouts import brainsets, human, monkeys
from sylvian.data.corpora import CORPORA, Card2024, Synthetic, Willett2023, corpus_class
from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    ParticipantConfig,
    SyntheticConfig,
    WriterConfig,
    simulate,
)


def card2024(raw, rng):
    """Two sessions of the published layout and width, the first without val and test."""
    for date, splits in (("2023.08.11", ["train"]), ("2023.08.13", ["train", "val", "test"])):
        folder = raw / "hdf5_data_final" / f"t15.{date}"
        folder.mkdir(parents=True)
        for block, split in enumerate(splits):
            with h5py.File(folder / f"data_{split}.hdf5", "w") as file:
                for trial in range(2):
                    group = file.create_group(f"trial_{trial:04d}")
                    group["input_features"] = rng.normal(size=(20 + trial, 512))
                    group.attrs.update(n_time_steps=20 + trial, session=f"t15.{date}")
                    group.attrs.update(block_num=block, trial_num=trial)
                    if split != "test":
                        group["seq_class_ids"] = np.pad([16, 27, 40], (0, 497))
                        group["transcription"] = np.pad([72, 112], (0, 498))
                        group.attrs.update(seq_len=3, sentence_label="Hip.")
    return Card2024(raw)


def willett2023(raw, rng):
    """One day of the published layout and width, with all three splits."""
    for block, folder in enumerate(("train", "test", "competitionHoldOut")):
        (raw / "competitionData" / folder).mkdir(parents=True)
        cell = np.empty((1, 2), object)
        for trial in range(2):
            cell[0, trial] = rng.normal(50, 9, size=(20 + trial, 256))
        levels = {name: cell for name in ("tx1", "tx2", "tx3", "tx4", "spikePow")}
        labels = {"sentenceText": ["He said so.", "So he did, too."], "blockIdx": [[block]] * 2}
        path = raw / "competitionData" / folder / "t12.2022.05.24.mat"
        savemat(path, levels | labels)
    return Willett2023(raw)


def synthetic(raw, rng):
    """Two simulated participants, one in each layout, with cues and a day of training only."""
    shape = {"sessions": 2, "train_trials": 3, "eval_trials": 2, "hidden_trials": 2}
    shape |= {"max_words": 3, "cues_per_session": 1, "train_only_sessions": (0,)}
    people = (
        ParticipantConfig(name="S15", layout="card2024", **shape),
        ParticipantConfig(name="S12", layout="willett2023", **shape),
    )
    simulate(SyntheticConfig(seed=int(rng.integers(99)), participants=people), raw)
    return Synthetic(raw)


def synthetic_species(raw, rng):
    """A simulated monkey and a writer, of whom no split is published."""
    shape = {"sessions": 2, "blocks": 2, "block_trials": 2, "latent": LatentConfig(sharing=0.5)}
    people = (MonkeyConfig(name="M1", **shape), WriterConfig(name="H5", **shape))
    simulate(SyntheticConfig(seed=11, participants=people), raw)
    return Synthetic(raw)


def brainset(raw, rng):
    """Two recordings as brainsets stores them, with units that were sorted anew."""
    for date, n_units in (("20131003", 4), ("20131004", 3)):
        brainsets.recording(raw, monkeys.spike_times(rng, n_units=n_units, stop=30.0), date=date)
    return corpus_class(f"brainset-{brainsets.NAME}")(raw)


def written(layout):
    """Write files of a published layout, and open them by the corpus' name."""

    def make(raw, rng):
        layout(raw, rng)
        return CORPORA[layout.__name__](raw)

    make.__name__ = layout.__name__
    return make


BENCHMARKS = [card2024, willett2023, synthetic]
HUMAN = [
    human.willett2021,
    human.fan2023,
    human.falcon,
    human.falcon_h1,
    human.falcon_m1,
    human.falcon_m2,
    human.kunz2025,
]
OTHERS = [synthetic_species, brainset]
EVERY = [*BENCHMARKS, *OTHERS, *map(written, HUMAN), *map(written, monkeys.EVERY)]
