import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from sylvian.data import NormalizeConfig, PreparedCorpus, check, prepare
from sylvian.data.corpora import Card2024, ChannelGroup, ParticipantFacts, Willett2023
from sylvian.errors import DataError


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def knowing(facts, **participant):
    told = ParticipantFacts(n_channels=6, **participant)
    return facts.model_copy(update={"participants": {next(iter(facts.participants)): told}})


def test_every_trial_comes_back_as_published(t15_raw, t12_raw, few_t15, few_t12, tmp_path):
    for corpus in (Card2024(t15_raw, facts=few_t15), Willett2023(t12_raw, facts=few_t12)):
        prepare(corpus, tmp_path / "data")
        prepared = PreparedCorpus.open(
            tmp_path / "data", corpus.facts.name, normalize=NormalizeConfig(kind="none")
        )
        published = {t.key: t for s in corpus.sessions() for t in corpus.trials(s)}
        assert [info.key for info in prepared.infos] == sorted(published)
        for info in prepared.infos:
            got = prepared.read(info.key)
            assert got.info == info == published[info.key].info
            np.testing.assert_array_equal(got.features, published[info.key].features)


def test_the_report_counts_sessions_and_trials_per_split(t15_raw, few_t15, tmp_path):
    seen = []
    report = prepare(
        Card2024(t15_raw, facts=few_t15), tmp_path / "data", progress=lambda *row: seen.append(row)
    )
    assert (report.corpus, report.n_sessions, report.n_reused) == ("card2024", 2, 0)
    assert report.trials == {"train": 7, "val": 2, "test": 2}
    assert report.warnings == ()
    assert seen == [("T15/2023-08-11", 1, 2), ("T15/2023-08-13", 2, 2)]


def test_preparing_twice_writes_the_same_bytes(t15_raw, few_t15, tmp_path):
    corpus = Card2024(t15_raw, facts=few_t15)
    prepare(corpus, tmp_path / "one")
    prepare(corpus, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_an_unchanged_session_is_reused_and_a_changed_one_read_again(
    t15_raw, few_t15, tmp_path, make_t15, make_t15_trial
):
    data = tmp_path / "data"
    prepare(Card2024(t15_raw, facts=few_t15), data)
    before = PreparedCorpus.open(data, "card2024").digest
    assert prepare(Card2024(t15_raw, facts=few_t15), data).n_reused == 2
    make_t15(t15_raw, "2023-08-11", train=[make_t15_trial(9, 0, np.eye(7, 6))])
    report = prepare(Card2024(t15_raw, facts=few_t15), data)
    assert (report.n_reused, report.trials["train"]) == (1, 5)
    assert PreparedCorpus.open(data, "card2024").digest != before


def test_a_new_description_table_makes_prepare_read_again(t15_raw, few_t15, tmp_path):
    table = t15_raw / "t15_copyTaskData_description.csv"
    kept = table.read_text()
    table.unlink()
    report = prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    assert len(report.warnings) == 1 and "prompt sets are unknown" in report.warnings[0]
    table.write_text(kept)
    report = prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    assert (report.n_reused, report.warnings) == (0, ())
    infos = PreparedCorpus.open(tmp_path / "data", "card2024").infos
    assert {info.prompt_set for info in infos} == {"50-Word", "Switchboard", "Harvard"}


def test_a_prepared_file_that_was_cut_short_is_written_again(t15_raw, few_t15, tmp_path):
    corpus = Card2024(t15_raw, facts=few_t15)
    prepare(corpus, tmp_path / "data")
    path = tmp_path / "data/card2024/T15/2023-08-11.h5"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    assert prepare(corpus, tmp_path / "data").n_reused == 1
    assert path.read_bytes() == content


def test_raw_files_that_are_gone_leave_the_prepared_session(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    gone = t15_raw / "hdf5_data_final/t15.2023.08.11"
    (gone / "data_train.hdf5").unlink()
    gone.rmdir()
    report = prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    assert (report.n_sessions, report.n_reused) == (2, 1)
    assert report.warnings[0].startswith("T15/2023-08-11: prepared earlier and kept")


def test_a_session_the_release_no_longer_has_is_removed(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    (t15_raw / "hdf5_data_final/t15.2023.08.11/data_train.hdf5").unlink()
    (t15_raw / "hdf5_data_final/t15.2023.08.11").rmdir()
    facts = knowing(few_t15, sessions={"2023-08-13": {}})
    report = prepare(Card2024(t15_raw, facts=facts), tmp_path / "data")
    assert report.n_sessions == 1 and "no longer has it" in report.warnings[0]
    assert not (tmp_path / "data/card2024/T15/2023-08-11.h5").exists()


def test_differences_from_the_facts_are_kept_and_reported(t15_raw, few_t15, tmp_path):
    facts = knowing(few_t15, sessions={"2023-08-13": {"train": 4, "val": 3}, "2024-01-01": {}})
    report = prepare(Card2024(t15_raw, facts=facts), tmp_path / "data")
    assert report.n_sessions == 2 and report.trials["train"] == 7
    text = "\n".join(report.warnings)
    assert "T15: 1 of 2 sessions are missing (2024-01-01)" in text
    assert "T15/2023-08-11: on disk, but the facts do not know this session" in text
    assert "T15/2023-08-13: 2 val trials on disk, facts say 3" in text
    assert check("card2024", tmp_path / "data").problems == report.warnings


def test_totals_are_compared_when_no_session_gives_them_away(t15_raw, few_t15, tmp_path):
    facts = knowing(few_t15, trials={"train": 7, "test": 9})
    report = prepare(Card2024(t15_raw, facts=facts), tmp_path / "data")
    assert report.warnings == (
        "card2024/T15: 2 test trials on disk, facts say 9; re-run 'sylvian prepare card2024'",
    )


def test_a_trial_too_short_for_its_labels_is_kept_and_reported(
    tmp_path, few_t15, make_t15, make_t15_trial
):
    repeated = {"seq_class_ids": np.pad([5, 5, 40], (0, 497))}
    rows = [make_t15_trial(1, n, np.ones((n + 3, 6)) * n, **repeated) for n in range(2)]
    make_t15(tmp_path / "raw", "2023-08-11", train=rows)
    report = prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path / "data")
    assert report.trials["train"] == 2
    assert any("2023-08-11: 1 trials have fewer bins than" in line for line in report.warnings)


def test_a_recording_that_occurs_twice_is_reported(tmp_path, few_t15, make_t15, make_t15_trial):
    rows = [make_t15_trial(1, n, np.eye(9, 6)) for n in range(2)]
    make_t15(tmp_path / "raw", "2023-08-11", train=rows)
    report = prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path / "data")
    assert any("b01/t001: same recording as" in line for line in report.warnings)


BAD = {
    "nan": (
        np.full((9, 6), np.nan),
        "54 values are not finite, the first (nan) at bin 0, channel 0",
    ),
    "infinite": (np.full((9, 6), np.inf), "values are not finite, the first (inf)"),
    "too large for float32": (np.full((9, 6), 1e300), "values are not finite, the first (inf)"),
    "channels": (np.ones((9, 5)), "shape (9, 5), expected (9 bins, 6 channels)"),
    "empty": (np.ones((0, 6)), "empty, it has no bins"),
}


@pytest.mark.parametrize("kind", BAD)
def test_unusable_features_are_refused_by_file_and_trial(
    tmp_path, few_t15, make_t15, make_t15_trial, kind
):
    features, message = BAD[kind]
    rows = [make_t15_trial(1, 0, np.eye(9, 6)), make_t15_trial(1, 1, features)]
    folder = make_t15(tmp_path / "raw", "2023-08-13", train=rows)
    make_t15(tmp_path / "raw", "2023-08-11", train=rows[:1])
    with pytest.raises(DataError) as caught:
        prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path / "data")
    text = str(caught.value)
    assert str(folder / "data_train.hdf5") in text
    assert "card2024/T15/2023-08-13/b01/t001" in text
    assert message in text
    assert sorted(files(tmp_path / "data/card2024")) == ["T15/2023-08-11.h5", "index.json"]


@pytest.mark.parametrize(("value", "message"), [(0.0, "are 0"), (-1.5, "never change")])
def test_a_session_without_any_activity_is_refused(
    tmp_path, few_t15, make_t15, make_t15_trial, value, message
):
    rows = [make_t15_trial(1, n, np.full((9, 6), value)) for n in range(2)]
    folder = make_t15(tmp_path / "raw", "2023-08-13", train=rows)
    with pytest.raises(DataError, match=f"all values of all 6 channels {message}") as caught:
        prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path / "data")
    assert str(folder / "data_train.hdf5") in str(caught.value)
    assert not (tmp_path / "data/card2024/T15/2023-08-13.h5").exists()


def test_an_array_that_is_dead_for_a_day_is_reported(tmp_path, few_t15, make_t15, make_t15_trial):
    """One array of two: the session is kept, and the person told."""
    arrays = tuple(
        ChannelGroup(array=name, feature="threshold crossings", start=start, stop=start + 3)
        for start, name in ((0, "area 4"), (3, "55b"))
    )
    person = ParticipantFacts(n_channels=6, channels=arrays)
    facts = few_t15.model_copy(update={"participants": {"T15": person}})
    features = np.where(np.arange(6) < 3, 2.0, np.eye(9, 6))
    make_t15(tmp_path / "raw", "2023-08-11", train=[make_t15_trial(1, 0, features[:, ::-1])])
    make_t15(tmp_path / "raw", "2023-08-13", train=[make_t15_trial(1, 0, features)])
    report = prepare(Card2024(tmp_path / "raw", facts=facts), tmp_path / "data")
    told = [line for line in report.warnings if "dead that day" in line]
    assert [line.split(" (")[0] for line in told] == [
        "card2024/T15/2023-08-11: no channel of 55b",
        "card2024/T15/2023-08-13: no channel of area 4",
    ]


def test_unusable_matlab_features_are_refused_by_file_and_trial(
    tmp_path, few_t12, make_t12, make_t12_variables
):
    matrices = [np.ones((9, 6)), np.where(np.eye(9, 6) > 0, np.nan, 1.0)]
    make_t12(
        tmp_path / "raw", "2022-04-28", train=make_t12_variables(matrices, [1, 1], ["He."] * 2)
    )
    with pytest.raises(
        DataError, match=r"t12.2022.04.28.mat: willett2023/T12/2022-04-28/b01/t001: "
    ):
        prepare(Willett2023(tmp_path / "raw", facts=few_t12), tmp_path / "data")


def test_a_duplicate_trial_is_refused_across_splits(
    tmp_path, few_t15, make_t15, make_t15_trial, rng
):
    train, val = (make_t15_trial(1, 0, rng.normal(size=(9, 6))) for _ in range(2))
    make_t15(tmp_path / "raw", "2023-08-11", train=[train], val=[val])
    with pytest.raises(DataError, match=r"data_val.hdf5: duplicate trial card2024/.*also in train"):
        prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path / "data")


def damaged(content: bytes, rng: np.random.Generator) -> list[bytes]:
    """Cut a file at many places, and overwrite stretches of it."""
    cuts = [content[:n] for n in (0, 1, 100, *rng.integers(200, len(content) - 1, 12))]
    scrambled = []
    for start in rng.integers(0, len(content) - 64, 25):
        noise = rng.integers(0, 256, 64, dtype=np.uint8).tobytes()
        scrambled.append(content[:start] + noise + content[start + 64 :])
    return cuts + scrambled


@pytest.mark.parametrize("layout", ["card2024", "willett2023"])
def test_damaged_files_give_a_clear_error_or_are_read(
    layout, t15_raw, t12_raw, few_t15, few_t12, tmp_path, rng
):
    corpus = {
        "card2024": lambda: Card2024(t15_raw, facts=few_t15),
        "willett2023": lambda: Willett2023(t12_raw, facts=few_t12),
    }[layout]()
    path = corpus.sessions()[0].paths["train"]
    n_refused = 0
    for content in damaged(path.read_bytes(), rng):
        path.write_bytes(content)
        try:
            prepare(corpus, tmp_path / "data")
        except DataError as failure:
            n_refused += 1
            assert str(path) in str(failure)
            assert not list((tmp_path / "data").rglob("*.partial"))
    assert n_refused >= 15  # every cut, at least; noise inside the features may look like features


def test_a_full_disk_leaves_nothing_half_written(t15_raw, few_t15, tmp_path):
    """The kernel refuses to let any file grow past the limit, as a full disk would."""
    data = tmp_path / "data"
    corpus = Card2024(t15_raw, facts=few_t15)
    prepare(corpus, data)
    sizes = sorted(path.stat().st_size for path in data.rglob("*.h5"))
    for path in data.rglob("*.h5"):
        path.unlink()
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (1000, sizes[0] - 500, sizes[0] + 10):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(DataError, match=r"2023-08-1\d.h5: cannot be written .* make room"):
                prepare(corpus, data)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not list(data.rglob("*.partial"))
    assert [path.name for path in data.rglob("*.h5")] == ["2023-08-11.h5"]  # it fitted
    prepare(corpus, data)
    assert check("card2024", data).problems == ()


def test_a_read_only_folder_is_a_clear_error(t15_raw, few_t15, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written"):
        prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")


def test_ctrl_c_leaves_nothing_half_written(t15_raw, few_t15, tmp_path):
    class Impatient(Card2024):
        def trials(self, session):
            yield from super().trials(session)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Impatient(t15_raw, facts=few_t15), tmp_path / "data")
    assert files(tmp_path / "data") == {}


def test_kill_at_any_moment_resumes_to_the_same_bytes(t15_raw, few_t15, tmp_path):
    corpus = Card2024(t15_raw, facts=few_t15)
    prepare(corpus, tmp_path / "whole")
    slow = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from sylvian.data import prepare
        from sylvian.data.corpora import Card2024, CorpusFacts
        class Slow(Card2024):
            def trials(self, session):
                for trial in super().trials(session):
                    yield trial
                    time.sleep(0.05)
        facts = CorpusFacts.model_validate_json(sys.argv[3])
        prepare(Slow(Path(sys.argv[1]), facts=facts), Path(sys.argv[2]))
        """
    )
    data = tmp_path / "killed"
    arguments = [str(t15_raw), str(data), few_t15.model_dump_json()]
    child = subprocess.Popen([sys.executable, "-c", slow, *arguments])
    deadline = time.monotonic() + 60
    while not list(data.rglob("2023-08-13.h5.partial")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert list(data.rglob("*.partial")), "the child was not killed in the middle"
    assert PreparedCorpus.open(data, "card2024").infos  # what was finished can be used
    report = prepare(corpus, data)
    assert report.n_reused == 1
    assert files(data) == files(tmp_path / "whole")


def test_a_prepared_corpus_of_another_format_is_refused(t15_raw, few_t15, tmp_path):
    corpus = Card2024(t15_raw, facts=few_t15)
    prepare(corpus, tmp_path / "data")
    index = tmp_path / "data/card2024/index.json"
    index.write_text(index.read_text().replace('"format": 1', '"format": 99', 1))
    with pytest.raises(DataError, match="not of format 1"):
        PreparedCorpus.open(tmp_path / "data", "card2024")
    index.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        prepare(corpus, tmp_path / "data")


def test_features_in_the_file_can_be_read_by_anything_that_reads_hdf5(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    prepared = PreparedCorpus.open(
        tmp_path / "data", "card2024", normalize=NormalizeConfig(kind="none")
    )
    with h5py.File(tmp_path / "data/card2024/T15/2023-08-11.h5") as file:
        stored = file["features/b02_t001"][()]
    np.testing.assert_array_equal(stored, prepared.read(prepared.infos[1].key).features)
