import csv
import gzip
from collections import Counter

import h5py
import numpy as np
import pytest

from sylvian.data.corpora import CARD2024, Card2024
from sylvian.errors import DataError


def read(corpus):
    return {
        (trial.key.session, trial.info.split, trial.key.block, trial.key.trial): trial
        for session in corpus.sessions()
        for trial in corpus.trials(session)
    }


def test_sessions_are_found_with_the_splits_they_have(t15_raw, few_t15):
    first, second = Card2024(t15_raw, facts=few_t15).sessions()
    assert (first.participant, first.session, list(first.paths)) == ("T15", "2023-08-11", ["train"])
    assert (second.session, list(second.paths)) == ("2023-08-13", ["train", "val", "test"])


def test_the_inner_folder_may_be_given_too(t15_raw, few_t15):
    outer = Card2024(t15_raw, facts=few_t15)
    inner = Card2024(t15_raw / "hdf5_data_final", facts=few_t15)
    assert inner.sessions() == outer.sessions()
    assert not inner.sessions()[0].notes  # the table beside the folder was found


def test_features_and_labels_are_read_exactly(t15_raw, few_t15):
    trials = read(Card2024(t15_raw, facts=few_t15))
    trial = trials["2023-08-13", "val", 4, 1]
    path = t15_raw / "hdf5_data_final/t15.2023.08.13/data_val.hdf5"
    with h5py.File(path) as file:
        published = file["trial_0001/input_features"][()]
    np.testing.assert_array_equal(trial.features, published.astype(np.float32))
    assert trial.features.dtype == np.float32
    assert trial.info.n_bins == 31
    assert trial.info.phonemes == ("HH", "P", "SIL")
    assert trial.info.sentence == "Hip."
    assert trial.info.prompt_set == "Harvard"
    assert str(trial.key) == "card2024/T15/2023-08-13/b04/t001"


def test_test_trials_have_no_labels(t15_raw, few_t15):
    hidden = [
        t
        for (_, split, _, _), t in read(Card2024(t15_raw, facts=few_t15)).items()
        if split == "test"
    ]
    assert [(t.key.trial, t.info.sentence, t.info.phonemes) for t in hidden] == [
        (2, None, None),
        (3, None, None),
    ]


def test_bins_after_n_time_steps_are_padding(tmp_path, few_t15, make_t15, make_t15_trial, rng):
    features = rng.normal(size=(20, 6))
    make_t15(tmp_path, "2023-08-11", train=[make_t15_trial(1, 0, features, n_time_steps=12)])
    (trial,) = read(Card2024(tmp_path, facts=few_t15)).values()
    np.testing.assert_array_equal(trial.features, features[:12].astype(np.float32))
    assert trial.info.n_bins == 12


def test_byte_strings_and_typographic_apostrophes_stay_readable(
    tmp_path, few_t15, make_t15, make_t15_trial
):
    label = "What’s [this]?".encode()
    row = make_t15_trial(1, 0, np.ones((5, 6)), sentence_label=np.bytes_(label))
    make_t15(tmp_path, "2023-08-11", train=[row])
    (trial,) = read(Card2024(tmp_path, facts=few_t15)).values()
    assert trial.info.sentence == "What’s [this]?"


def test_a_cue_keeps_the_phonemes_that_were_published(tmp_path, few_t15, make_t15, make_t15_trial):
    row = make_t15_trial(1, 0, np.ones((5, 6)), sentence_label="[DO NOTHING]", seq_len=1)
    make_t15(tmp_path, "2023-08-11", train=[row | {"seq_class_ids": np.pad([40], (0, 499))}])
    (trial,) = read(Card2024(tmp_path, facts=few_t15)).values()
    assert (trial.info.sentence, trial.info.phonemes) == ("[DO NOTHING]", ("SIL",))


def test_without_the_table_prompt_sets_are_unknown_and_a_note_says_so(t15_raw, few_t15):
    table = t15_raw / "t15_copyTaskData_description.csv"
    with_table = Card2024(t15_raw, facts=few_t15).sessions()[0].context
    table.unlink()
    corpus = Card2024(t15_raw, facts=few_t15)
    assert {trial.info.prompt_set for trial in read(corpus).values()} == {None}
    assert "prompt sets are unknown" in corpus.sessions()[0].notes[0]
    assert corpus.sessions()[0].context != with_table


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_features": None}, "'input_features' is missing"),
        ({"seq_class_ids": None}, "'seq_class_ids' is missing"),
        ({"n_time_steps": None}, "'n_time_steps' is missing"),
        ({"block_num": None}, "'block_num' is missing"),
        ({"sentence_label": None}, "'sentence_label' is missing"),
        ({"session": None}, "'session' is missing"),
        ({"session": "t15.2024.01.01"}, "belongs to session 't15.2024.01.01'"),
        ({"n_time_steps": 99}, "8 bins of features but n_time_steps is 99"),
        ({"seq_len": 501}, "seq_len is 501"),
        ({"seq_len": 4}, "label 0 in seq_class_ids is outside the vocabulary"),
        ({"seq_class_ids": np.full(500, 41)}, "label 41 in seq_class_ids is outside"),
        ({"input_features": np.zeros(8)}, "has shape \\(8,\\)"),
    ],
)
def test_a_trial_that_breaks_the_layout_is_named(
    tmp_path, few_t15, make_t15, make_t15_trial, changes, message
):
    good, bad = (make_t15_trial(1, n, np.ones((8, 6))) for n in range(2))
    folder = make_t15(tmp_path, "2023-08-11", train=[good, bad | changes])
    corpus = Card2024(tmp_path, facts=few_t15)
    with pytest.raises(DataError, match=message) as caught:
        read(corpus)
    assert str(folder / "data_train.hdf5") in str(caught.value)
    assert "trial_0001" in str(caught.value)


def test_missing_folders_and_files_say_what_to_download(tmp_path, few_t15):
    with pytest.raises(DataError, match=r"no hdf5_data_final.*dncjsxm85"):
        Card2024(tmp_path / "absent", facts=few_t15).sessions()
    with pytest.raises(DataError, match=r"no hdf5_data_final.*dncjsxm85"):
        Card2024(tmp_path, facts=few_t15).sessions()
    (tmp_path / "hdf5_data_final/t15.2023.08.11").mkdir(parents=True)
    with pytest.raises(DataError, match=r"t15.2023.08.11: no data_train.hdf5"):
        Card2024(tmp_path, facts=few_t15).sessions()


def test_a_file_without_trials_is_refused(tmp_path, few_t15, make_t15):
    make_t15(tmp_path, "2023-08-11", train=[])
    with pytest.raises(DataError, match="holds no trial"):
        read(Card2024(tmp_path, facts=few_t15))


def test_a_damaged_table_is_named(t15_raw, few_t15):
    (t15_raw / "t15_copyTaskData_description.csv").write_text("Date,Block\n2023-08-11,2\n")
    with pytest.raises(DataError, match="description.csv: cannot be read"):
        Card2024(t15_raw, facts=few_t15).sessions()


def test_the_facts_add_up_to_the_published_counts():
    facts = CARD2024.participants["T15"]
    sums = Counter()
    for counts in facts.sessions.values():
        sums.update(counts)
    assert len(facts.sessions) == 45
    assert (sums["train"], sums["val"], facts.trials["test"]) == (8072, 1426, 1450)
    assert sum(facts.trials.values()) == 10_948
    without_val = [s for s, counts in facts.sessions.items() if counts["val"] == 0]
    assert without_val == ["2023-08-11", "2024-03-03", "2024-04-25", "2024-04-28"]
    assert [group.start for group in facts.channels] == list(range(0, 512, 64))
    assert CARD2024.sees_future


def test_the_facts_agree_with_the_real_labels(shared_data):
    path = shared_data / "t15_decodes" / "train_val_labels_and_greedy_phonemes.csv.gz"
    counted: dict[str, Counter[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            date = row["session"].removeprefix("t15.").replace(".", "-")
            counted.setdefault(date, Counter())[row["split"]] += 1
    facts = CARD2024.participants["T15"].sessions
    assert {s: (c["train"], c["val"]) for s, c in facts.items()} == {
        s: (c["train"], c["val"]) for s, c in counted.items()
    }


def test_the_real_description_table_names_every_labelled_block(
    shared_data, tmp_path, make_t15, make_t15_trial
):
    table = shared_data / "t15_decodes" / "t15_copyTaskData_description.csv"
    (tmp_path / table.name).write_bytes(table.read_bytes())
    rows = [make_t15_trial(block, 0, np.ones((8, 512))) for block in (2, 3)]
    make_t15(tmp_path, "2023-08-11", train=rows)
    trials = read(Card2024(tmp_path))
    assert [trial.info.prompt_set for trial in trials.values()] == ["50-Word", "50-Word"]
