"""Counts in bins of 45 ms: degenhart2020, hennig2018, golub2018."""

from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat

from layouts import monkeys
from layouts.human import write_mat
from sylvian.data import NormalizeConfig, PreparedCorpus, prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError


@pytest.fixture
def real(shared_data):
    def folder(name):
        path = shared_data / f"monkey_bci_{name}"
        if not path.is_dir():
            pytest.skip(f"no {path}")
        return path

    return folder


def minutes(trials):
    return sum(trial.info.n_bins * trial.info.bin_s for trial in trials) / 60


# --------------------------------------------------------------------------- degenhart2020


def test_an_uninterrupted_run_of_one_type_is_a_block(tmp_path, rng, read):
    kinds = ("observation", "baselineEvaluation", "perturbationEvaluation", "baselineEvaluation")
    variables = monkeys.stabilised(rng, kinds=kinds)
    write_mat(tmp_path / "20160325.mat", variables)
    trials = read("degenhart2020", tmp_path)
    told = [(trial.key.block, trial.key.trial, trial.info.prompt_set) for trial in trials]
    assert told == [(block, n, kinds[block - 1]) for block in (2, 3, 4) for n in range(3)]
    good = [n for n in range(96) if n + 1 not in (9, 22, 55)]
    for trial, row in zip(trials, variables["trialData"].flat[3:], strict=False):
        np.testing.assert_array_equal(trial.features, row["binCounts"][:, good])
        assert trial.info.bin_s == 0.045


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"goodElectrodes": None}, "variable 'goodElectrodes' is missing"),
        ({"goodElectrodes": [[1, 97]]}, "not numbers from 1 to 96"),
        ({"trialData": None}, "variable 'trialData' is missing"),
        ({"trialData": np.ones(3)}, "trialData: field 'binCounts' is missing"),
    ],
)
def test_a_session_that_breaks_the_layout_is_named(tmp_path, rng, read, changes, message):
    variables = monkeys.stabilised(rng) | changes
    write_mat(tmp_path / "20160325.mat", {k: v for k, v in variables.items() if v is not None})
    with pytest.raises(DataError, match=f"20160325.mat: .*{message}"):
        read("degenhart2020", tmp_path)


def test_other_electrodes_are_refused(tmp_path, rng, read):
    variables = monkeys.stabilised(rng)
    variables["trialData"][0, 4]["binCounts"] = np.ones((5, 95))
    write_mat(tmp_path / "20160325.mat", variables)
    with pytest.raises(DataError, match=r"binCounts has shape \(5, 95\), not \(any, 96\)"):
        read("degenhart2020", tmp_path)


def test_the_real_session_of_degenhart2020(real, read, tmp_path):
    raw = real("degenhart2020")
    trials = read("degenhart2020", raw)
    assert len(trials) == 1252 and {t.features.shape[1] for t in trials} == {93}
    assert sum(t.info.n_bins for t in trials) == 38_015 and minutes(trials) == pytest.approx(
        28.5, abs=0.02
    )
    assert Counter(t.info.prompt_set for t in trials) == {
        "gradualTrain": 144,
        "baselineEvaluation": 518,
        "perturbationEvaluation": 130,
        "stabilizationPerturbation": 17,
        "stabilization": 308,
        "stabilizationEvaluation": 135,
    }
    assert sorted({t.key.block for t in trials}) == [2, 3, 4, 5, 6, 7, 8]
    report = prepare(CORPORA["degenhart2020"](raw), tmp_path)
    assert report.warnings == ()
    prepared = PreparedCorpus.open(
        tmp_path, "degenhart2020", normalize=NormalizeConfig(dead_channels="repair")
    )
    assert prepared.left_out == () and prepared.channels == {"Monkey": 93}


# ------------------------------------------------------------------------------ hennig2018


def test_blocks_are_cut_into_windows_of_ten_seconds(tmp_path, rng, read):
    variables = monkeys.two_decoders(rng)
    write_mat(tmp_path / "20131218.mat", variables)
    trials = read("hennig2018", tmp_path)
    told = [(t.key.participant, t.key.block, t.key.trial, t.info.n_bins) for t in trials]
    assert told == [
        ("MonkeyL", 1, 0, 222),
        ("MonkeyL", 1, 1, 222),
        ("MonkeyL", 1, 2, 56),
        ("MonkeyL", 2, 0, 222),
        ("MonkeyL", 2, 1, 38),
    ]
    blocks = variables["D"]["blocks"].flat
    for block, its in zip(blocks, (trials[:3], trials[3:]), strict=True):
        np.testing.assert_array_equal(np.concatenate([t.features for t in its]), block["spikes"])


def test_the_year_tells_the_monkey(tmp_path, rng):
    monkeys.hennig2018(tmp_path, rng)
    refs = CORPORA["hennig2018"](tmp_path).sessions()
    assert [(ref.participant, ref.session) for ref in refs] == [
        ("MonkeyJ", "2012-05-25"),
        ("MonkeyL", "2013-12-18"),
    ]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (lambda rng: {"E": 1}, "variable 'D' is missing"),
        (lambda rng: {"D": {"datestr": "20131218"}}, "D: field 'blocks' is missing"),
        (
            lambda rng: monkeys.two_decoders(rng, n_channels=(87, 86)),
            r"spikes has shape \(260, 86\), not \(any, 87\)",
        ),
    ],
)
def test_a_day_that_breaks_the_layout_is_named(tmp_path, rng, read, variables, message):
    write_mat(tmp_path / "20131218.mat", variables(rng))
    with pytest.raises(DataError, match=f"20131218.mat: .*{message}"):
        read("hennig2018", tmp_path)


def test_the_real_session_of_hennig2018(real, read):
    raw = real("hennig2018")
    trials = read("hennig2018", raw)
    published = loadmat(raw / "20131218.mat")["D"]["blocks"][0, 0]["spikes"][0]
    for block, counts in enumerate(published, start=1):
        its = [trial.features for trial in trials if trial.key.block == block]
        np.testing.assert_array_equal(np.concatenate(its), counts)
    assert [len(counts) for counts in published] == [4788, 7446]
    assert minutes(trials) == pytest.approx(9.18, abs=0.01)


# ------------------------------------------------------------------------------- golub2018


def test_a_cloud_is_a_trial_and_learning_divides_the_blocks(tmp_path, rng, read):
    variables = monkeys.clouds(rng)
    write_mat(tmp_path / "exampleData.mat", variables)
    trials = read("golub2018", tmp_path)
    assert [(t.key.block, t.key.trial) for t in trials] == [
        (b, n) for b in (1, 2) for n in range(8)
    ]
    assert [t.info.prompt_set for t in trials] == ["beforeLearning"] * 8 + ["afterLearning"] * 8
    cells = [*variables["beforeLearning"]["clouds"]["spikes"].flat]
    np.testing.assert_array_equal(trials[3].features, cells[3].T)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"width": 0.05}, "bins of 50 ms, facts say 45 ms"),
        ({"monkey": "Bubbles"}, "'Bubbles' on '20120305'"),
        ({"n_channels": 85}, r"spikes has shape \(85, 69\), not \(86, any\)"),
    ],
)
def test_another_example_is_refused(tmp_path, rng, read, shape, message):
    write_mat(tmp_path / "exampleData.mat", monkeys.clouds(rng, **shape))
    with pytest.raises(DataError, match=f"exampleData.mat: .*{message}"):
        read("golub2018", tmp_path)


def test_an_example_without_clouds_is_refused(tmp_path, rng, read):
    variables = monkeys.clouds(rng)
    variables["afterLearning"]["clouds"]["spikes"] = np.empty((1, 0), object)
    write_mat(tmp_path / "exampleData.mat", variables)
    with pytest.raises(DataError, match="exampleData.mat: holds no trial"):
        read("golub2018", tmp_path)


def test_two_examples_are_refused(tmp_path, rng, read):
    for folder in ("one", "two"):
        write_mat(tmp_path / folder / "exampleData.mat", monkeys.clouds(rng))
    with pytest.raises(DataError, match=r"two/exampleData.mat: there is .*one/exampleData.mat"):
        read("golub2018", tmp_path)


def test_the_real_example_of_golub2018(real, read):
    trials = read("golub2018", real("golub2018"))
    assert Counter(trial.features.shape for trial in trials) == {(69, 86): 16}
    assert minutes(trials) == pytest.approx(0.83, abs=0.01)
