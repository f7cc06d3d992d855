import ast
import subprocess
import sys

import pytest

from layouts import monkeys
from sylvian.data import prepare
from sylvian.data.corpora import CORPORA, FACTS
from sylvian.errors import DataError


def test_listing_the_corpora_imports_no_reader():
    """`sylvian --help` stays fast with any number of corpora."""
    program = (
        "import sys; from sylvian.data.corpora import corpus_names; "
        "assert len(corpus_names()) > 20; "
        "print([m for m in sys.modules if m.startswith('sylvian.data.corpora.')])"
    )
    got = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(ast.literal_eval(got.stdout)) <= {
        "sylvian.data.corpora.base",
        "sylvian.data.corpora.reading",
    }


@pytest.mark.parametrize("write", monkeys.EVERY, ids=lambda write: write.__name__)
def test_facts_say_what_to_get_and_how(write):
    facts = FACTS[write.__name__]
    assert facts.name == write.__name__ and "--raw" in facts.directions
    assert facts.licence and facts.citation and facts.title and "http" in facts.directions
    assert all(who.strategies == ("reaching",) for who in facts.participants.values())


@pytest.mark.parametrize("write", monkeys.EVERY, ids=lambda write: write.__name__)
def test_an_empty_folder_says_what_to_download(write, tmp_path):
    facts = FACTS[write.__name__]
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError) as caught:
            CORPORA[write.__name__](folder).sessions()
        assert str(folder) in str(caught.value) and facts.directions in str(caught.value)


@pytest.mark.parametrize("write", monkeys.EVERY, ids=lambda write: write.__name__)
def test_scrambled_bytes_are_read_or_refused_and_nothing_else(write, tmp_path, rng):
    write(tmp_path / "raw", rng)
    corpus = CORPORA[write.__name__](tmp_path / "raw")
    session = corpus.sessions()[0]
    path = next(iter({**session.paths, **session.files}.values()))
    whole = path.read_bytes()
    for start in (*rng.integers(0, 2000, 6), *rng.integers(0, len(whole) - 64, 4)):
        noise = rng.integers(0, 256, 64).astype("u1").tobytes()
        path.write_bytes(whole[:start] + noise + whole[start + 64 :])
        try:
            for ref in corpus.sessions():
                list(corpus.trials(ref))
        except DataError as refusal:
            assert str(path.parent) in str(refusal)


def test_recordings_of_a_day_are_its_blocks_by_the_number_in_their_names(tmp_path, rng, read):
    monkeys.odoherty2017(tmp_path, rng)
    (tmp_path / "indy_20160411_02.mat").rename(tmp_path / "indy_20160411_07.mat")
    indy, loco = CORPORA["odoherty2017"](tmp_path).sessions()
    assert {block: path.name for block, path in indy.files.items()} == {
        1: "indy_20160411_01.mat",
        7: "indy_20160411_07.mat",
    }
    assert indy.paths["train"] == indy.files[1] and not loco.files
    keys = [str(trial.key) for trial in read("odoherty2017", tmp_path)]
    assert keys[0] == "odoherty2017/Indy/2016-04-11/b01/t000"
    assert "odoherty2017/Indy/2016-04-11/b07/t000" in keys


def test_recordings_without_a_number_are_numbered_in_the_order_of_their_names(tmp_path, rng):
    monkeys.evenchen2019(tmp_path, rng)
    _, reggie = CORPORA["evenchen2019"](tmp_path).sessions()
    assert [path.name[15:30] for path in reggie.files.values()] == [
        "20170116T102856",
        "20170116T143000",
    ]
    assert list(reggie.files) == [1, 2]


def test_the_task_in_a_name_is_the_prompt_set(tmp_path, rng, read):
    monkeys.perich2018(tmp_path, rng)
    told = {trial.key.session: trial.info.prompt_set for trial in read("perich2018", tmp_path)}
    assert told == {"2013-10-03": "CO", "2013-10-09": "RT"}


def test_files_that_are_no_recording_are_left_alone(tmp_path, rng):
    monkeys.perich2018(tmp_path, rng)
    before = CORPORA["perich2018"](tmp_path).sessions()
    for name in (
        "sub-C_ses-CO-20131303_behavior+ecephys.nwb",
        "sub-X_ses-CO-20131003_behavior+ecephys.nwb",
        "sub-C_ses-CO-20131004_ecephys.nwb",
    ):
        (tmp_path / name).write_bytes(b"nothing")
    assert CORPORA["perich2018"](tmp_path).sessions() == before


def test_one_file_in_two_folders_is_refused(tmp_path, rng):
    monkeys.perich2018(tmp_path / "one", rng)
    monkeys.perich2018(tmp_path / "two", rng)
    with pytest.raises(DataError, match=r"two/.*20131003.*: .*one/.* has the same name"):
        CORPORA["perich2018"](tmp_path).sessions()


def test_a_days_files_with_other_channels_are_refused_by_file_and_trial(tmp_path, rng):
    monkeys.odoherty2017(tmp_path, rng)
    (tmp_path / "loco_20170210_03.mat").replace(tmp_path / "indy_20160411_02.mat")
    with pytest.raises(DataError, match=r"indy_20160411_02.mat: .*b02/t000: .*96 channels"):
        prepare(CORPORA["odoherty2017"](tmp_path), tmp_path / "data")
