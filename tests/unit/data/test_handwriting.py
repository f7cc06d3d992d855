"""The two MATLAB releases of T5's handwriting."""

import h5py
import numpy as np
import pytest

from layouts.human import cell, column, corp_sentences, single_letters, write_mat, written_sentences
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import FAN2023, WILLETT2021, Fan2023, Willett2021
from sylvian.data.corpora.handwriting import character, readable
from sylvian.errors import DataError
from sylvian.types import Strategy

N_CHANNELS = 6
DAY = "Datasets/t5.2019.05.08"


def few(facts):
    """The facts of a release, with six channels."""
    person = facts.participants["T5"].model_copy(update={"n_channels": N_CHANNELS})
    return facts.model_copy(update={"participants": {"T5": person}})


@pytest.fixture
def letters(rng):
    return single_letters(rng, n_channels=N_CHANNELS)


@pytest.fixture
def sentences(rng):
    return written_sentences(rng, n_channels=N_CHANNELS)


def read(corpus):
    return [trial for session in corpus.sessions() for trial in corpus.trials(session)]


def willett2021(tmp_path, letters=None, sentences=None):
    if letters is not None:
        write_mat(tmp_path / DAY / "singleLetters.mat", letters)
    if sentences is not None:
        write_mat(tmp_path / DAY / "sentences.mat", sentences)
    return Willett2021(tmp_path, facts=few(WILLETT2021))


# ----------------------------------------------------------------------------- willett2021


def test_a_letter_lasts_to_the_next_delay_and_two_bins_become_one(tmp_path, letters):
    trials = read(willett2021(tmp_path, letters))
    series = letters["neuralActivityTimeSeries"].astype(float)
    assert [(t.key.block, t.key.trial) for t in trials] == [
        (b, n) for b in (3, 4) for n in range(3)
    ]
    for trial, start in zip(trials[:3], (20, 80, 140), strict=True):
        expected = series[start : start + 60].reshape(30, 2, N_CHANNELS).sum(1)
        np.testing.assert_array_equal(trial.features, expected)
    assert [trial.info.sentence for trial in trials[:3]] == ["a", ",", "[DO NOTHING]"]
    assert {trial.info.strategy for trial in trials} == {Strategy.HANDWRITING}
    assert {trial.info.prompt_set for trial in trials} == {"single letters"}


def test_the_last_letter_of_a_block_ends_with_it_and_no_letter_passes_ten_seconds(
    tmp_path, letters
):
    series = letters["neuralActivityTimeSeries"]
    letters["neuralActivityTimeSeries"] = np.concatenate([series, np.tile(series[-9:], (200, 1))])
    numbers = letters["blockNumsTimeSeries"][:, 0]
    letters["blockNumsTimeSeries"] = column([*numbers, *[numbers[-1]] * 1800])
    trials = read(willett2021(tmp_path, letters))
    assert [trial.info.n_bins for trial in trials] == [30, 30, 30, 30, 30, 500]


def test_a_sentence_is_cut_where_it_ends(tmp_path, sentences):
    trials = read(willett2021(tmp_path, sentences=sentences))
    assert [trial.info.n_bins for trial in trials] == [25, 28, 32]
    cube = sentences["neuralActivityCube"].astype(float)
    np.testing.assert_array_equal(
        trials[1].features, cube[1, :56].reshape(28, 2, N_CHANNELS).sum(1)
    )
    assert [trial.info.sentence for trial in trials] == ["he said so.", "it's me, too?", None]
    assert [trial.info.phonemes for trial in trials] == [None] * 3
    assert [(t.key.block, t.key.trial) for t in trials] == [(7, 0), (7, 1), (8, 0)]


def test_a_clock_that_begins_anew_with_a_block_is_no_other_rate(tmp_path, letters):
    """It may stand still between two bins, and jump where one block follows another."""
    clock = 0.01 * np.arange(400)[:, None]
    clock[200:] -= 1.9
    clock[50] = clock[49]
    corpus = willett2021(tmp_path, letters | {"clockTimeSeries": clock})
    assert len(read(corpus)) == 6


def test_without_marks_every_sentence_is_kept_with_its_text(tmp_path, sentences):
    del sentences["excludedSentences"]
    assert read(willett2021(tmp_path, sentences=sentences))[2].info.sentence == "x"


def test_a_day_is_one_session_whose_blocks_know_their_files(tmp_path, letters, sentences):
    corpus = willett2021(tmp_path, letters, sentences)
    (session,) = corpus.sessions()
    assert session.session == "2019-05-08" and len(read(corpus)) == 9
    names = {block: path.name for block, path in session.files.items()}
    assert names == dict.fromkeys((3, 4), "singleLetters.mat") | dict.fromkeys(
        (7, 8), "sentences.mat"
    )
    inner = Willett2021(tmp_path / "Datasets", facts=corpus.facts)
    assert inner.sessions() == (session,)


def test_files_that_share_a_block_are_both_read_and_both_watched(tmp_path, letters, sentences):
    sentences["sentenceBlockNums"], sentences["blockList"] = column([3, 3, 4]), column([3, 4])
    corpus = willett2021(tmp_path, letters, sentences)
    (session,) = corpus.sessions()
    assert {path.name for path in session.files.values()} == {"singleLetters.mat", "sentences.mat"}
    keys = [trial.key for trial in read(corpus)]
    assert len(set(keys)) == 9
    assert prepare(corpus, tmp_path / "data").n_reused == 0
    assert prepare(corpus, tmp_path / "data").n_reused == 1
    write_mat(tmp_path / DAY / "sentences.mat", sentences | {"note": 1})
    assert prepare(corpus, tmp_path / "data").n_reused == 0


def test_version_7_3_is_read_too(tmp_path, sentences):
    expected = read(willett2021(tmp_path, sentences=sentences))
    path = tmp_path / DAY / "sentences.mat"
    path.unlink()
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in sentences.items():
            if name != "sentencePrompt":
                file[name] = np.asarray(values).T
        prompts = sentences["sentencePrompt"]
        for place, (text,) in enumerate(prompts):
            file[f"#refs#/{place}"] = np.array([[ord(letter)] for letter in text], np.uint16)
            file[f"#refs#/{place}"].attrs["MATLAB_class"] = np.bytes_("char")
        references = [[file[f"#refs#/{place}"].ref for place in range(len(prompts))]]
        file.create_dataset("sentencePrompt", data=references, dtype=h5py.ref_dtype)
    got = read(willett2021(tmp_path))
    assert [trial.info for trial in got] == [trial.info for trial in expected]
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs.features)


LETTERS, SENTENCES = "singleLetters.mat", "sentences.mat"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (LETTERS, {"neuralActivityTimeSeries": None}, "'neuralActivityTimeSeries' is missing"),
        (LETTERS, {"blockNumsTimeSeries": None}, "'blockNumsTimeSeries' is missing"),
        (LETTERS, {"blockList": None}, "'blockList' is missing"),
        (LETTERS, {"characterCues": None}, "'characterCues' is missing"),
        (LETTERS, {"neuralActivityTimeSeries": np.ones((400, 5))}, r"not \(400, 6\)"),
        (LETTERS, {"characterCues": cell(["a"])}, "characterCues has 1, delayPeriod.* has 6"),
        (
            LETTERS,
            {"delayPeriodOnsetTimeBin": column([1, 5, 9, 3, 20, 30])},
            "delayPeriodOnsetTimeBin is not in order within 400 bins",
        ),
        (
            LETTERS,
            {"delayPeriodOnsetTimeBin": column([1, 5, 9, 30, 40, 4000])},
            "delayPeriodOnsetTimeBin is not in order within 400 bins",
        ),
        (LETTERS, {"delayPeriodOnsetTimeBin": [[0.5]] * 6}, "numbers that are not whole"),
        (
            LETTERS,
            {"clockTimeSeries": 0.02 * np.arange(400)[:, None]},
            "clockTimeSeries goes in steps of 0.02 s, the release's bins are 0.01 s wide",
        ),
        (
            LETTERS,
            {"characterCues": cell([]), "delayPeriodOnsetTimeBin": column([])},
            "holds no trial of one bin or more",
        ),
        (
            SENTENCES,
            {
                "sentenceBlockNums": column([]),
                "numTimeBinsPerSentence": column([]),
                "sentencePrompt": cell([]),
                "excludedSentences": column([]),
                "neuralActivityCube": np.empty((0, 9, N_CHANNELS)),
            },
            "holds no trial of one bin or more",
        ),
        (SENTENCES, {"neuralActivityCube": None}, "'neuralActivityCube' is missing"),
        (SENTENCES, {"numTimeBinsPerSentence": None}, "'numTimeBinsPerSentence' is missing"),
        (SENTENCES, {"sentencePrompt": None}, "'sentencePrompt' is missing"),
        (SENTENCES, {"neuralActivityCube": np.ones((3, 90, 7))}, r"not \(3, any, 6\)"),
        (SENTENCES, {"neuralActivityCube": np.ones((9, 6))}, "neuralActivityCube has shape"),
        (SENTENCES, {"sentencePrompt": cell(["a", "b"])}, "sentencePrompt has 2"),
        (SENTENCES, {"excludedSentences": column([0, 1])}, "excludedSentences has 2"),
        (
            SENTENCES,
            {"numTimeBinsPerSentence": column([50, 57, 640])},
            "sentence 2 has 640 bins by numTimeBinsPerSentence, but neuralActivityCube has 84",
        ),
        (SENTENCES, {"numTimeBinsPerSentence": column([0, 5, 6])}, "sentence 0 has 0 bins"),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(
    tmp_path, letters, sentences, name, change, message
):
    variables = {LETTERS: letters, SENTENCES: sentences}[name]
    variables = {k: v for k, v in (variables | change).items() if v is not None}
    write_mat(tmp_path / DAY / name, variables)
    with pytest.raises(DataError, match=message) as caught:
        read(Willett2021(tmp_path, facts=few(WILLETT2021)))
    assert name in str(caught.value)


def test_a_value_that_is_no_number_is_found_in_the_right_file(tmp_path, letters, sentences):
    letters["neuralActivityTimeSeries"] = letters["neuralActivityTimeSeries"].astype(float)
    letters["neuralActivityTimeSeries"][100, 2] = np.nan
    corpus = willett2021(tmp_path, letters, sentences)
    with pytest.raises(
        DataError, match=r"singleLetters.mat: willett2021/T5/2019-05-08/b03/t001: 1 values are not"
    ):
        prepare(corpus, tmp_path / "data")


def test_missing_folders_say_what_to_download(tmp_path):
    with pytest.raises(DataError, match=r"no Datasets.*wh70rxwmv"):
        Willett2021(tmp_path / "absent").sessions()
    with pytest.raises(DataError, match=r"no seed_model_training_data.*hqbzkh1p6"):
        Fan2023(tmp_path / "absent").sessions()


def test_prompts_are_made_readable():
    assert readable("it's>me,>really~>no?#") == "it's me, really. no?"
    assert [character(cue) for cue in ("z", "greaterThan", "questionMark", "tilde")] == [
        "z",
        " ",
        "?",
        ".",
    ]


def test_releases_without_splits_are_divided_by_blocks(tmp_path, letters, sentences):
    prepare(willett2021(tmp_path, letters, sentences), tmp_path / "data")
    splits = PreparedCorpus.open(tmp_path / "data", "willett2021").splits("blocks")
    assert {info.key.block for info in splits["train"]} == {3, 4, 7}
    assert {info.key.block for info in splits["val"]} == {8}


# ----------------------------------------------------------------------------- fan2023


SEED = "seed_model_training_data"
ONLINE = "online_evaluation_data"


def fan2023(tmp_path, variables, part=SEED, name="t5.2022.05.18.mat"):
    write_mat(tmp_path / part / "mat" / name, variables)
    return Fan2023(tmp_path, facts=few(FAN2023))


def test_trials_are_as_published(tmp_path, rng):
    variables = corp_sentences(rng, n_channels=N_CHANNELS)
    trials = read(fan2023(tmp_path, variables))
    assert [trial.info.sentence for trial in trials] == ["he said so.", "too?", None]
    assert [(t.key.block, t.key.trial) for t in trials] == [(2, 0), (2, 1), (3, 0)]
    assert {trial.info.prompt_set for trial in trials} == {"seed"}
    for trial, matrix in zip(trials, variables["neuralActivityCube"].ravel(), strict=True):
        np.testing.assert_array_equal(trial.features, matrix)
        assert trial.features.dtype == np.float32


@pytest.mark.parametrize("name", ["t5.2022.05.18.mat", "t5.2022.05.18/sentences.mat"])
def test_a_day_may_be_a_file_or_a_folder(tmp_path, rng, name):
    corpus = fan2023(tmp_path, corp_sentences(rng, n_channels=N_CHANNELS), name=name)
    assert [session.session for session in corpus.sessions()] == ["2022-05-18"]
    assert len(read(corpus)) == 3


def test_a_day_of_two_parts_is_one_session(tmp_path, rng):
    for part, blocks in (("recalibration", (6, 6)), ("no_recalibration", (4, 4))):
        variables = corp_sentences(rng, n_channels=N_CHANNELS, blocks=blocks)
        corpus = fan2023(tmp_path, variables, f"{ONLINE}/{part}", "t5.2022.09.29.mat")
    (session,) = corpus.sessions()
    assert {block: path.parts[-3] for block, path in session.files.items()} == {
        4: "no_recalibration",
        6: "recalibration",
    }
    told = {(t.key.block, t.info.prompt_set) for t in read(corpus)}
    assert told == {(4, "no recalibration"), (6, "recalibration")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuralActivityCube": None}, "'neuralActivityCube' is missing"),
        ({"sentencePrompt": None}, "'sentencePrompt' is missing"),
        ({"blockList": None}, "'blockList' is missing"),
        ({"numTimeBinsPerSentence": None}, "'numTimeBinsPerSentence' is missing"),
        ({"blockList": np.array([[2, 2]])}, "blockList has 2, numTimeBinsPerSentence has 3"),
        (
            {"neuralActivityCube": cell([np.ones((30, 6)), np.ones((35, 5)), np.ones((40, 6))])},
            r"neuralActivityCube of trial 1 has shape \(35, 5\), not \(any, 6\)",
        ),
        ({"numTimeBinsPerSentence": np.array([[30, 35, 41]])}, "trial 2 has 40 bins, .* says 41"),
        (
            {
                "neuralActivityCube": cell([]),
                "sentencePrompt": cell([]),
                "numTimeBinsPerSentence": np.empty((1, 0)),
                "blockList": np.empty((1, 0)),
                "excludedTrials": np.empty((1, 0)),
            },
            "holds no trial of one bin or more",
        ),
    ],
)
def test_a_day_that_breaks_the_layout_is_named(tmp_path, rng, change, message):
    variables = corp_sentences(rng, n_channels=N_CHANNELS) | change
    variables = {k: v for k, v in variables.items() if v is not None}
    with pytest.raises(DataError, match=message) as caught:
        read(fan2023(tmp_path, variables))
    assert "t5.2022.05.18.mat" in str(caught.value)


def test_the_facts_are_the_published_ones():
    assert len(WILLETT2021.participants["T5"].sessions) == 10
    assert len(FAN2023.participants["T5"].sessions) == 21
    for facts in (WILLETT2021, FAN2023):
        person = facts.participants["T5"]
        columns = [c for group in person.channels for c in range(group.start, group.stop)]
        assert columns == list(range(192)) and person.n_channels == 192
        assert not facts.sees_future
