import numpy as np
import pytest

from layouts.human import cell, column, imagined_sentences, verbal_behaviour, write_mat
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import KUNZ2025, Kunz2025
from sylvian.errors import DataError
from sylvian.text import Lexicon
from sylvian.types import Strategy

N_COLUMNS = 4
ISOLATED, INTERLEAVED = "isolatedVerbalBehaviors", "interleavedVerbalBehaviors"


@pytest.fixture
def few():
    """The facts of the release, with four channels of each feature."""
    people = {
        name: person.model_copy(update={"n_channels": 2 * N_COLUMNS})
        for name, person in KUNZ2025.participants.items()
    }
    return KUNZ2025.model_copy(update={"participants": people})


@pytest.fixture
def words(rng):
    return verbal_behaviour(rng, n_columns=N_COLUMNS)


def read(corpus):
    return [trial for session in corpus.sessions() for trial in corpus.trials(session)]


def test_a_trial_lasts_from_its_delay_to_its_end(tmp_path, few, words):
    write_mat(tmp_path / ISOLATED / "t12.2023.08.15_attempted_raw.mat", words)
    trials = read(Kunz2025(tmp_path, facts=few))
    assert [(t.key.block, t.key.trial) for t in trials] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    for place, trial in enumerate(trials):
        bins = slice(80 * place, 80 * place + 71)
        np.testing.assert_array_equal(trial.features[:, :4], words["binnedTX"][bins])
        np.testing.assert_array_equal(trial.features[:, 4:], words["spikePow"][bins])


def test_bins_of_10_ms_are_added_for_crossings_and_averaged_for_power(tmp_path, few, rng):
    words = verbal_behaviour(rng, n_columns=N_COLUMNS, bin_ms=10)
    write_mat(tmp_path / ISOLATED / "t15.2024.04.07_attempted_raw.mat", words)
    trial = read(Kunz2025(tmp_path, facts=few))[1]
    stop = int(words["goTrialEpochs"][1, 1])  # 310 bins: 151, and one that fills no other
    assert (trial.info.n_bins, stop) == (75, 311)
    for name, columns, join in (("binnedTX", slice(4), np.sum), ("spikePow", slice(4, 8), np.mean)):
        pairs = words[name][160:310].astype(float).reshape(75, 2, N_COLUMNS)
        np.testing.assert_allclose(trial.features[:, columns], join(pairs, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("behaviour", "strategy"),
    [
        ("attempted", Strategy.ATTEMPTED),
        ("mouthed", Strategy.SILENT),
        ("imagined1stMotor", Strategy.IMAGINED),
        ("imagined1stAuditory", Strategy.IMAGINED),
        ("imaginedListening", Strategy.IMAGINED),
        ("listening", Strategy.PERCEIVED),
        ("reading", Strategy.PERCEIVED),
    ],
)
def test_each_published_behaviour_has_its_strategy(tmp_path, few, words, behaviour, strategy):
    write_mat(tmp_path / ISOLATED / ISOLATED / f"t16.2024.03.04_{behaviour}_raw.mat", words)
    rest, word = (trial.info for trial in read(Kunz2025(tmp_path, facts=few))[:2])
    assert (word.sentence, word.strategy) == ("ban", strategy)
    heard = strategy is Strategy.PERCEIVED
    assert word.phonemes == (None if heard else ("B", "AE", "N", "SIL"))
    assert (rest.sentence, rest.phonemes) == ("[DO NOTHING]", None)


@pytest.mark.parametrize(
    ("cue", "word", "strategy"),
    [
        ("ban (attempted)", "ban", Strategy.ATTEMPTED),
        ("ban (imaginedlistening)", "ban", Strategy.IMAGINED),
        ("ban (passivelistening)", "ban", Strategy.PERCEIVED),
        ("ban,(mimed)", "ban", Strategy.SILENT),
        ("ban\\n(attempted)$1", "ban", Strategy.ATTEMPTED),
        ("ban\n(imagined)$1", "ban", Strategy.IMAGINED),
        ("ban$0", "ban", Strategy.PERCEIVED),
        ("(DONOTHING),", "[DO NOTHING]", Strategy.IMAGINED),
        ("DO_NOTHING$0", "[DO NOTHING]", Strategy.IMAGINED),
    ],
)
def test_interleaved_cues_say_what_to_do(tmp_path, few, rng, cue, word, strategy):
    words = verbal_behaviour(rng, n_columns=N_COLUMNS, cues=(cue,))
    write_mat(tmp_path / INTERLEAVED / f"t12.2024.04.11_{INTERLEAVED}_raw.mat", words)
    info = read(Kunz2025(tmp_path, facts=few))[0].info
    assert (info.sentence, info.strategy) == (word, strategy)
    assert info.prompt_set == "interleaved words" and info.split == "train"


def test_files_of_a_day_are_one_session(tmp_path, few, rng):
    for block, behaviour in enumerate(("attempted", "reading")):
        words = verbal_behaviour(rng, n_columns=N_COLUMNS, blocks=(block,))
        write_mat(tmp_path / ISOLATED / f"t17.2024.12.09_{behaviour}_raw.mat", words)
    words = verbal_behaviour(rng, n_columns=N_COLUMNS, blocks=(7,))
    write_mat(tmp_path / INTERLEAVED / f"t17.2024.12.09_{INTERLEAVED}_raw.mat", words)
    corpus = Kunz2025(tmp_path, facts=few)
    (session,) = corpus.sessions()
    assert (session.participant, session.session) == ("T17", "2024-12-09")
    assert [path.parent.name for path in session.files.values()] == [
        ISOLATED,
        ISOLATED,
        INTERLEAVED,
    ]
    assert len(read(corpus)) == 6


def sentences(tmp_path, rng, **splits):
    for split, n_blocks in splits.items():
        blocks = tuple(range(10 * len(split), 10 * len(split) + n_blocks))
        variables = imagined_sentences(rng, n_columns=N_COLUMNS, blocks=blocks)
        write_mat(tmp_path / "sentenceData" / split / "t12.2024.04.11.mat", variables)


def test_sentences_are_imagined_and_have_phonemes(tmp_path, few, rng):
    sentences(tmp_path, rng, train=1)
    info = read(Kunz2025(tmp_path, facts=few))[0].info
    assert info.sentence == "I am okay, 50."
    assert info.phonemes[:5] == ("AY", "SIL", "AE", "M", "SIL")
    assert (info.strategy, info.prompt_set) == (Strategy.IMAGINED, "sentences")


def test_a_file_name_may_say_that_sentences_were_attempted(tmp_path, few, rng):
    variables = imagined_sentences(rng, n_columns=N_COLUMNS)
    write_mat(tmp_path / "sentenceData/train/t12.2024.04.11_attempted.mat", variables)
    assert read(Kunz2025(tmp_path, facts=few))[0].info.strategy is Strategy.ATTEMPTED


def test_sentences_may_be_a_list_of_cues(tmp_path, few, words):
    words["cueList"] = cell(["Yes, (please) go.", "DO_NOTHING"], column=False)
    write_mat(tmp_path / "sentenceData/val_50words/t15.2024.05.05_raw.mat", words)
    first, second = (trial.info for trial in read(Kunz2025(tmp_path, facts=few))[:2])
    assert first.sentence == "Yes, (please) go." and second.sentence == "[DO NOTHING]"
    assert (first.split, first.prompt_set) == ("val_50words", "50-word sentences")


def test_bit_halves_the_50_word_sentences_by_seed_42(tmp_path, few, rng):
    sentences(tmp_path, rng, train=2, val_50words=5)
    prepare(Kunz2025(tmp_path, facts=few), tmp_path / "data")
    corpus = PreparedCorpus.open(tmp_path / "data", "kunz2025")
    splits = corpus.splits("bit")
    held_out = [info for info in corpus.infos if info.split == "val_50words"]
    order = np.random.RandomState(42).permutation(10)  # noqa: NPY002
    assert set(splits["val"]) == {held_out[place] for place in order[:5]}
    assert set(splits["test"]) == {held_out[place] for place in order[5:]}
    assert len(splits["train"]) == 4 and not splits["holdout"]


def test_another_lexicon_changes_labels_and_context(tmp_path, few, words):
    write_mat(tmp_path / ISOLATED / "t12.2023.08.15_attempted_raw.mat", words)
    odd = Kunz2025(tmp_path, facts=few, lexicon=Lexicon({"ban": [("CH",)]}))
    assert read(odd)[1].info.phonemes == ("CH", "SIL")
    assert odd.sessions()[0].context != Kunz2025(tmp_path, facts=few).sessions()[0].context


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            ({name: None}, f"variable '{name}' is missing")
            for name in (
                "binnedTX",
                "spikePow",
                "blockNum",
                "binSize",
                "delayTrialEpochs",
                "goTrialEpochs",
                "trialCues",
                "cueList",
            )
        ),
        ({"binnedTX": np.ones((320, 3))}, r"binnedTX has shape \(320, 3\), not \(320, 4\)"),
        ({"spikePow": np.ones((319, 4))}, r"spikePow has shape \(319, 4\), not \(320, 4\)"),
        ({"binSize": np.array([[15]])}, "bins of 15 ms do not make up the 20 ms"),
        ({"binSize": np.array([[20, 20]])}, "binSize has shape"),
        (
            {name: np.empty((0, 2)) for name in ("delayTrialEpochs", "goTrialEpochs")}
            | {"trialCues": np.empty((0, 1))},
            "holds no trial of one bin or more",
        ),
        ({"trialCues": column([1, 2, 3, 1])}, "trialCues holds 3, but cueList has 2 cues"),
        ({"trialCues": column([1, 2, 1])}, r"delayTrialEpochs has shape \(4, 2\), not \(3, 2\)"),
        (
            {"goTrialEpochs": np.array([[1, 71], [1, 151], [1, 231], [1, 999]])},
            "trial 3 lasts from bin 241 to 999 of 320",
        ),
        (
            {"delayTrialEpochs": np.array([[0, 9], [81, 99], [161, 199], [241, 299]])},
            "trial 0 lasts from bin 0 to 71 of 320",
        ),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(tmp_path, few, words, change, message):
    words = {name: value for name, value in (words | change).items() if value is not None}
    write_mat(tmp_path / ISOLATED / "t12.2023.08.15_attempted_raw.mat", words)
    with pytest.raises(DataError, match=message) as caught:
        read(Kunz2025(tmp_path, facts=few))
    assert "t12.2023.08.15_attempted_raw.mat" in str(caught.value)


def test_a_value_that_is_no_number_is_found(tmp_path, few, words):
    words["spikePow"][100, 2] = np.inf
    write_mat(tmp_path / ISOLATED / "t12.2023.08.15_attempted_raw.mat", words)
    with pytest.raises(DataError, match=r"_raw.mat: .*/b02/t001: 1 values are not finite"):
        prepare(Kunz2025(tmp_path, facts=few), tmp_path / "data")


def test_missing_folders_say_what_to_download(tmp_path):
    with pytest.raises(DataError, match=r"no t12.*sentenceData.zip.*gf1vhhn1j"):
        Kunz2025(tmp_path / "absent").sessions()


def test_the_channels_are_all_told():
    for person in KUNZ2025.participants.values():
        columns = [c for group in person.channels for c in range(group.start, group.stop)]
        assert columns == list(range(person.n_channels))
