"""Whoever writes a published layout owes its readers every group, variable and type of it."""

import csv

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, whosmat

from sylvian.data.corpora import CARD2024, WILLETT2023, Card2024, Willett2023
from sylvian.data.synthetic import ParticipantConfig, SyntheticConfig, simulate
from sylvian.text import Lexicon, phoneme_vocabulary

SHAPE = {"sessions": 2, "train_trials": 4, "eval_trials": 4, "hidden_trials": 4, "max_words": 5}
DAYS = ("2031.01.06", "2031.01.09")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    people = (
        ParticipantConfig(name="T15", layout="card2024", **SHAPE),
        ParticipantConfig(name="T12", layout="willett2023", **SHAPE),
    )
    simulate(SyntheticConfig(seed=2, participants=people), folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "facts", "participant"),
    [(Card2024, CARD2024, "T15"), (Willett2023, WILLETT2023, "T12")],
    ids=["card2024", "willett2023"],
)
def test_the_readers_of_the_real_releases_read_it_with_their_own_facts(
    raw, kind, facts, participant
):
    corpus = kind(raw / participant)
    assert corpus.facts is facts
    trials = [trial for session in corpus.sessions() for trial in corpus.trials(session)]
    assert len(trials) == {"T15": 2 * 4 + 8, "T12": 2 * 8 + 4}[participant]
    assert {trial.info.split for trial in trials} == set(facts.splits)
    for trial in trials:
        assert trial.features.shape[1] == facts.participants[participant].n_channels
        assert np.isfinite(trial.features).all()
        if trial.info.sentence:
            assert trial.info.phonemes == Lexicon.cmudict().phonemes(trial.info.sentence)


def hdf5(raw, day, split):
    return raw / "T15" / "hdf5_data_final" / f"t15.{day}" / f"data_{split}.hdf5"


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_t15_groups_hold_what_the_release_holds(raw, split):
    labelled = {"seq_class_ids", "transcription"} if split != "test" else set()
    named = {"seq_len", "sentence_label"} if split != "test" else set()
    with h5py.File(hdf5(raw, DAYS[1], split)) as file:
        assert list(file) == [f"trial_{place:04d}" for place in range(4)]
        for group in file.values():
            assert set(group) == {"input_features"} | labelled
            assert set(group.attrs) == {"n_time_steps", "session", "block_num", "trial_num"} | named
            assert group["input_features"].shape == (group.attrs["n_time_steps"], 512)
            assert group["input_features"].dtype == np.float32
            assert group.attrs["session"] == f"t15.{DAYS[1]}"
            if labelled:
                assert group["seq_class_ids"].shape == group["transcription"].shape == (500,)


def test_t15_labels_are_zero_padded_classes_and_character_codes(raw):
    vocabulary = phoneme_vocabulary()
    with h5py.File(hdf5(raw, DAYS[0], "train")) as file:
        for group in file.values():
            sentence, n = group.attrs["sentence_label"], group.attrs["seq_len"]
            ids = group["seq_class_ids"][:]
            assert not ids[n:].any() and ids[:n].all() and ids[n - 1] == 40
            assert vocabulary.decode(ids[:n].tolist()) == Lexicon.cmudict().phonemes(sentence)
            codes = group["transcription"][:]
            assert "".join(map(chr, codes[codes > 0])) == sentence.replace("\u2019", "'")


def test_t15_features_are_z_scored_over_the_whole_block(raw):
    blocks = {}
    for split in ("val", "test"):
        with h5py.File(hdf5(raw, DAYS[1], split)) as file:
            for group in file.values():
                bins = blocks.setdefault(int(group.attrs["block_num"]), [])
                bins.append(group["input_features"][:])
    for parts in blocks.values():
        block = np.concatenate(parts)
        np.testing.assert_allclose(block.mean(0), 0, atol=1e-3)
        spread = block.std(0)
        dead = spread == 0
        assert dead[:256].any() and np.array_equal(dead[:256], dead[256:])
        np.testing.assert_allclose(spread[~dead], 1, atol=1e-3)


def test_t15_val_and_test_are_the_parts_of_one_block_and_the_first_day_has_neither(raw):
    assert not hdf5(raw, DAYS[0], "val").exists() and not hdf5(raw, DAYS[0], "test").exists()
    numbers = {}
    for split in ("val", "test"):
        with h5py.File(hdf5(raw, DAYS[1], split)) as file:
            for group in file.values():
                numbers.setdefault(int(group.attrs["block_num"]), {}).setdefault(split, []).append(
                    int(group.attrs["trial_num"])
                )
    assert len(numbers) == 2  # one block for each prompt set
    assert all(max(parts["val"]) < min(parts["test"]) for parts in numbers.values())


def test_t15_description_table_lists_every_block(raw):
    with (raw / "T15" / "t15_copyTaskData_description.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == [
        "Date",
        "Post-implant day",
        "Block number",
        "Number of sentences",
        "Corpus",
        "Split",
    ]
    assert {row["Split"] for row in rows} == {"Train", "Val/Test"}
    assert {row["Corpus"] for row in rows} == {"50-Word", "Large"}
    assert sum(int(row["Number of sentences"]) for row in rows) == 4 + 4 + 8
    assert int(rows[-1]["Post-implant day"]) - int(rows[0]["Post-implant day"]) == 3


FOLDERS = ("train", "test", "competitionHoldOut")


def mat(raw, day, folder):
    return raw / "T12" / "competitionData" / folder / f"t12.{day}.mat"


@pytest.mark.parametrize("folder", FOLDERS)
def test_t12_variables_are_those_of_the_release(raw, folder):
    path = mat(raw, DAYS[1], folder)
    names = {"sentenceText", "blockIdx", "tx1", "tx2", "tx3", "tx4", "spikePow"}
    found = {name: (shape, kind) for name, shape, kind in whosmat(path)}
    assert set(found) == names
    assert found["sentenceText"][1] == "char" and found["sentenceText"][0] == (4,)
    assert found["blockIdx"][0] == (4, 1)
    for name in names - {"sentenceText", "blockIdx"}:
        assert found[name] == ((1, 4), "cell")
    assert path.read_bytes()[:10] == b"MATLAB 5.0"


def test_t12_crossings_thin_out_from_threshold_to_threshold(raw):
    found = loadmat(mat(raw, DAYS[0], "train"))
    for trial in range(4):
        levels = [found[f"tx{k}"][0, trial].astype(int) for k in (1, 2, 3, 4)]
        power = found["spikePow"][0, trial]
        assert all(level.shape == power.shape == (len(power), 256) for level in levels)
        for more, fewer in zip(levels, levels[1:], strict=False):
            assert (fewer <= more).all()
            assert 0.3 < fewer.sum() / more.sum() < 0.6
        assert (power >= 0).all() and 10 < np.median(power[:, power.any(0)]) < 200


def test_t12_hold_out_withholds_the_sentences_and_opens_the_day(raw):
    assert not mat(raw, DAYS[0], "competitionHoldOut").exists()
    blocks = {name: loadmat(mat(raw, DAYS[1], name))["blockIdx"].ravel() for name in FOLDERS}
    assert blocks["competitionHoldOut"].max() < blocks["train"].min()
    assert blocks["train"].max() < blocks["test"].min()
    hidden = loadmat(mat(raw, DAYS[1], "competitionHoldOut"))["sentenceText"]
    assert {row.strip() for row in hidden} == {"withheld"}
