import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from sylvian.data.corpora import WILLETT2023, Willett2023
from sylvian.data.prepare import prepare
from sylvian.errors import DataError
from sylvian.text import Lexicon


def read(corpus):
    return [trial for session in corpus.sessions() for trial in corpus.trials(session)]


def test_sessions_are_found_with_the_splits_they_have(t12_raw, few_t12):
    first, second = Willett2023(t12_raw, facts=few_t12).sessions()
    assert (first.participant, first.session, list(first.paths)) == (
        "T12",
        "2022-04-28",
        ["train", "test"],
    )
    assert list(second.paths) == ["train", "test", "holdout"]
    assert Willett2023(t12_raw / "competitionData", facts=few_t12).sessions() == (first, second)


def test_features_are_area_6v_of_tx1_and_spike_power(t12_raw, few_t12):
    trials = read(Willett2023(t12_raw, facts=few_t12))
    raw = loadmat(t12_raw / "competitionData/train/t12.2022.04.28.mat")
    for place in range(3):
        expected = np.concatenate(
            [raw["tx1"][0, place][:, :3], raw["spikePow"][0, place][:, :3]], 1
        )
        np.testing.assert_array_equal(trials[place].features, expected.astype(np.float32))
        assert trials[place].features.dtype == np.float32


def test_trials_are_counted_within_their_block(t12_raw, few_t12):
    trials = read(Willett2023(t12_raw, facts=few_t12))
    first_day = [(t.info.split, t.key.block, t.key.trial) for t in trials[:5]]
    assert first_day == [
        ("train", 3, 0),
        ("train", 3, 1),
        ("train", 4, 0),
        ("test", 6, 0),
        ("test", 6, 1),
    ]


def test_a_block_that_is_in_two_files_gives_no_key_twice(
    tmp_path, few_t12, make_t12, make_t12_variables, rng
):
    files = [make_t12_variables([rng.normal(size=(9, 6))], [5], ["He."]) for _ in range(2)]
    make_t12(tmp_path, "2022-04-28", train=files[0], test=files[1])
    keys = [trial.key for trial in read(Willett2023(tmp_path, facts=few_t12))]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(("blocks", "n_notes"), [([2, 2, 5], 0), ([5, 5, 2], 1), ([2, 5, 2], 1)])
def test_hidden_trials_in_another_order_than_their_blocks_are_told(
    blocks, n_notes, tmp_path, few_t12, make_t12, make_t12_variables, rng
):
    def part(numbers):
        said = ["He."] * len(numbers)
        return make_t12_variables([rng.normal(size=(9, 6)) for _ in numbers], numbers, said)

    make_t12(tmp_path, "2022-04-28", train=part([9, 1]), holdout=part(blocks))
    report = prepare(Willett2023(tmp_path, facts=few_t12), tmp_path / "data", jobs=1)
    told = [line for line in report.warnings if "not in the order of their blocks" in line]
    assert len(told) == n_notes
    assert not told or "2022-04-28: its 3 trials without labels" in told[0]


def test_phonemes_come_from_the_lexicon_with_sil_closing_each_word(t12_raw, few_t12):
    trials = read(Willett2023(t12_raw, facts=few_t12))
    assert trials[0].info.sentence == "He said so."
    assert trials[0].info.phonemes == ("HH", "IY", "SIL", "S", "EH", "D", "SIL", "S", "OW", "SIL")


def test_a_hyphenated_word_keeps_both_its_parts(t12_raw, few_t12):
    phonemes = read(Willett2023(t12_raw, facts=few_t12))[1].info.phonemes
    text = " ".join(phonemes)
    assert "W EH L" in text and "N OW N" in text


def test_another_lexicon_changes_labels_and_context(t12_raw, few_t12):
    plain = Willett2023(t12_raw, facts=few_t12)
    odd = Lexicon({"he": [("AA",)], "said": [("B",)], "so": [("CH",)]})
    changed = Willett2023(t12_raw, facts=few_t12, lexicon=odd)
    assert read(changed)[0].info.phonemes == ("AA", "SIL", "B", "SIL", "CH", "SIL")
    assert changed.sessions()[0].context != plain.sessions()[0].context


def test_cues_and_holdout_have_no_phonemes(t12_raw, few_t12):
    trials = read(Willett2023(t12_raw, facts=few_t12))
    assert (trials[2].info.sentence, trials[2].info.phonemes) == ("[DO NOTHING]", None)
    hidden = [t.info for t in trials if t.info.split == "holdout"]
    assert [(info.sentence, info.phonemes) for info in hidden] == [(None, None)] * 2


def test_holdout_without_sentences_is_read(tmp_path, few_t12, make_t12, make_t12_variables, rng):
    variables = make_t12_variables([rng.normal(size=(9, 6))], [1], ["x"])
    del variables["sentenceText"]
    make_t12(tmp_path, "2022-05-24", holdout=variables)
    assert read(Willett2023(tmp_path, facts=few_t12))[0].info.sentence is None


def test_sentences_in_a_cell_are_read_like_rows(
    tmp_path, few_t12, make_t12, make_t12_variables, rng
):
    variables = make_t12_variables([rng.normal(size=(9, 6)) for _ in range(2)], [1, 1], [])
    variables["sentenceText"] = np.array(["He said.", "So."], object)
    make_t12(tmp_path, "2022-04-28", train=variables)
    trials = read(Willett2023(tmp_path, facts=few_t12))
    assert [trial.info.sentence for trial in trials] == ["He said.", "So."]


def test_version_7_3_files_are_read_like_version_5(t12_raw, few_t12):
    expected = read(Willett2023(t12_raw, facts=few_t12))
    for path in (t12_raw / "competitionData").rglob("*.mat"):
        write_v73(path, loadmat(path))
    got = read(Willett2023(t12_raw, facts=few_t12))
    assert [trial.info for trial in got] == [trial.info for trial in expected]
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs.features)


def write_v73(path, variables):
    """Write as MATLAB -v7.3 does: transposed, cells as references, text as code units."""
    path.unlink()
    with h5py.File(path, "w", userblock_size=512) as file:
        for name in ("tx1", "spikePow"):
            references = []
            for place, matrix in enumerate(variables[name][0]):
                file[f"#refs#/{name}{place}"] = matrix.T
                references.append(file[f"#refs#/{name}{place}"].ref)
            file.create_dataset(name, data=np.array(references)[:, None], dtype=h5py.ref_dtype)
        file["blockIdx"] = variables["blockIdx"].T
        rows = [str(row) for row in variables["sentenceText"]]
        width = max(map(len, rows))
        codes = np.array([[ord(c) for c in row.ljust(width)] for row in rows], np.uint16)
        file["sentenceText"] = codes.T
        file["sentenceText"].attrs["MATLAB_class"] = np.bytes_("char")


def without(name):
    def change(variables):
        del variables[name]

    return change


def put(name, value):
    def change(variables):
        variables[name] = value

    return change


def one_cell(matrix):
    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = np.ones((9, 6)), matrix
    return cell


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("tx1"), "variable 'tx1' is missing"),
        (
            lambda variables: variables.update(
                {name: np.empty((1, 0), object) for name in ("tx1", "spikePow")}
            ),
            "holds no trial; download it again",
        ),
        (without("spikePow"), "variable 'spikePow' is missing"),
        (without("blockIdx"), "variable 'blockIdx' is missing"),
        (without("sentenceText"), "variable 'sentenceText' is missing"),
        (
            put("tx1", one_cell(np.ones((9, 5)))),
            r"tx1 of trial 1 has shape \(9, 5\), not \(bins, 6 ",
        ),
        (put("tx1", one_cell(np.ones((8, 6)))), "differ in trials or bins"),
        (put("blockIdx", np.array([[1]])), "blockIdx has 1 numbers for 2 trials"),
        (put("sentenceText", ["one"]), "1 sentences for 2 trials"),
        (put("sentenceText", np.ones((2, 3))), "sentenceText is not text"),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(
    tmp_path, few_t12, make_t12, make_t12_variables, change, message
):
    variables = make_t12_variables([np.ones((9, 6))] * 2, [1, 1], ["He.", "So."])
    change(variables)
    make_t12(tmp_path, "2022-04-28", train=variables)
    with pytest.raises(DataError, match=message) as caught:
        read(Willett2023(tmp_path, facts=few_t12))
    assert "train/t12.2022.04.28.mat" in str(caught.value)


def test_missing_folders_say_what_to_download(tmp_path, few_t12):
    with pytest.raises(DataError, match=r"no competitionData.*x69p8czpq"):
        Willett2023(tmp_path / "absent", facts=few_t12).sessions()


def test_files_that_are_not_sessions_are_left_alone(t12_raw, few_t12):
    savemat(t12_raw / "competitionData/train/t12.2022.13.45.mat", {"x": 1})
    savemat(t12_raw / "competitionData/train/notes.mat", {"x": 1})
    assert len(Willett2023(t12_raw, facts=few_t12).sessions()) == 2


def test_the_facts_are_the_published_ones():
    facts = WILLETT2023.participants["T12"]
    assert len(facts.sessions) == 24
    assert list(facts.sessions)[0] == "2022-04-28" and list(facts.sessions)[-1] == "2022-08-25"
    assert sum(counts["holdout"] for counts in facts.sessions.values()) == 1200
    assert facts.trials == {"train": 8800, "test": 880, "holdout": 1200}
    columns = [c for group in facts.channels for c in range(group.start, group.stop)]
    assert columns == list(range(256)) and facts.n_channels == 256
    assert not WILLETT2023.sees_future
