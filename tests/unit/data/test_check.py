import pytest

from sylvian.data import check, prepare
from sylvian.data.corpora import Card2024
from sylvian.errors import DataError


@pytest.fixture
def data(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    return tmp_path / "data"


def test_all_is_well_after_prepare(data):
    seen = []
    report = check("card2024", data, progress=lambda *row: seen.append(row))
    assert report.problems == report.warnings == ()
    assert (report.corpus, report.n_sessions) == ("card2024", 2)
    assert report.trials == {"train": 7, "val": 2, "test": 2}
    assert report.strategies == {"attempted": 11}
    assert seen[-1] == ("T15/2023-08-13", 2, 2)


def test_one_flipped_bit_is_found(data):
    path = data / "card2024/T15/2023-08-11.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (problem,) = check("card2024", data).problems
    assert problem.startswith(f"{path}: content changed") and "sylvian prepare card2024" in problem


def test_missing_cut_and_unlisted_files_are_found(data):
    folder = data / "card2024/T15"
    (folder / "2023-08-11.h5").rename(folder / "2099-01-01.h5")
    cut = folder / "2023-08-13.h5"
    cut.write_bytes(cut.read_bytes()[:-1])
    problems = check("card2024", data).problems
    assert [p.split(": ", 1)[1].split(";")[0].split(",")[0] for p in problems] == [
        "missing",
        f"{cut.stat().st_size} bytes",
        "not in the index",
    ]


def test_a_recording_in_train_and_val_is_found(tmp_path, few_t15, make_t15, make_t15_trial, rng):
    same, other = rng.normal(size=(2, 9, 6))
    train = [make_t15_trial(1, 0, same), make_t15_trial(1, 1, other)]
    make_t15(tmp_path / "raw", "2023-08-11", train=train, val=[make_t15_trial(2, 0, same)])
    prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path)
    report = check("card2024", tmp_path)
    assert report.problems == (
        "card2024/T15/2023-08-11/b02/t000 (val): same recording as "
        "card2024/T15/2023-08-11/b01/t000 (train)",
    )
    assert any("same recording as" in line for line in report.warnings)  # prepare had said so


def test_nothing_prepared_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="run 'sylvian prepare card2024' first"):
        check("card2024", tmp_path)
