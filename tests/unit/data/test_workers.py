"""Preparing with several processes leaves what one leaves, whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sylvian.data import PreparedCorpus, check, prepare
from sylvian.data.corpora import Card2024, Willett2023
from sylvian.data.workers import BYTES_EACH, Task, n_processes
from sylvian.errors import ConfigError, DataError

# A corpus as a laboratory might write one, in a module of its own that a process can import.
LAB = """
import os, signal, time
from pathlib import Path
from sylvian.data.corpora import Card2024

class Slow(Card2024):
    def trials(self, session):
        print("a reader may print")
        for trial in super().trials(session):
            time.sleep(0.2)
            yield trial

class Killed(Card2024):
    def trials(self, session):
        if session.session == "2023-08-13":
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().trials(session)

class Buggy(Card2024):
    def trials(self, session):
        raise ZeroDivisionError("a bug of the laboratory's")

class Unloadable(Card2024):
    def __setstate__(self, state):
        raise RuntimeError("holds an open file")
"""


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The laboratory's module, by its name."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/sylvian_test_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path / "lab")
    monkeypatch.delitem(sys.modules, "sylvian_test_lab", raising=False)
    import sylvian_test_lab

    return sylvian_test_lab


@pytest.fixture
def days(tmp_path, make_t15, make_t15_trial, rng):
    """Four sessions of T15."""
    raw = tmp_path / "raw"
    for day in ("2023-08-11", "2023-08-13", "2023-08-18", "2023-08-20"):
        rows = [make_t15_trial(2, n, rng.normal(3, 2, (30 + n, 6))) for n in range(3)]
        make_t15(raw, day, train=rows)
    return raw


def test_two_processes_write_the_bytes_that_one_writes(days, t12_raw, few_t15, few_t12, tmp_path):
    seen = []
    for corpus in (Card2024(days, facts=few_t15), Willett2023(t12_raw, facts=few_t12)):
        seen.clear()
        one = prepare(corpus, tmp_path / "one", jobs=1)
        two = prepare(corpus, tmp_path / "two", jobs=2, progress=lambda *row: seen.append(row))
        assert two == one
        n = one.n_sessions
        assert [row[1:] for row in seen] == [(done, n) for done in range(1, n + 1)]
        assert {row[0] for row in seen} == {
            f"{ref.participant}/{ref.session}" for ref in corpus.sessions()
        }
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert prepare(corpus, tmp_path / "two", jobs=2).n_reused == n


def test_an_error_is_the_one_a_single_process_meets_and_the_rest_is_kept(
    days, few_t15, tmp_path, make_t15, make_t15_trial
):
    for day in ("2023-08-13", "2023-08-18"):
        bad = make_t15_trial(2, 1, np.full((9, 6), np.nan))
        make_t15(days, day, train=[make_t15_trial(2, 0, np.ones((2000, 6))), bad])
    corpus = Card2024(days, facts=few_t15)
    told = []
    for jobs in (1, 3):
        with pytest.raises(DataError) as caught:
            prepare(corpus, tmp_path / f"{jobs}", jobs=jobs)
        told.append(str(caught.value))
        assert type(caught.value) is DataError
        assert (tmp_path / f"{jobs}/card2024/T15/2023-08-11.h5").is_file()
        assert PreparedCorpus.open(tmp_path / f"{jobs}", "card2024").infos
        assert not list((tmp_path / f"{jobs}").rglob("*.partial"))
    assert told[0] == told[1] and "2023-08-13/b02/t001: 54 values are not finite" in told[0]


def test_a_killed_process_is_told_and_what_was_finished_is_kept(days, few_t15, tmp_path, lab):
    with pytest.raises(DataError, match=r"^T15/2023-08-13: the process .* killed by signal 9; .*"):
        prepare(lab.Killed(days, facts=few_t15), tmp_path / "data", jobs=2)
    assert not list((tmp_path / "data").rglob("*.partial"))
    report = prepare(Card2024(days, facts=few_t15), tmp_path / "data", jobs=2)
    assert report.n_reused >= 1 and report.n_sessions == 4
    prepare(Card2024(days, facts=few_t15), tmp_path / "whole", jobs=1)
    assert files(tmp_path / "data") == files(tmp_path / "whole")


def test_a_bug_of_a_reader_is_not_taken_for_bad_data(days, few_t15, tmp_path, lab, capfd):
    with pytest.raises(DataError, match="the process that prepared it ended with status 1"):
        prepare(lab.Buggy(days, facts=few_t15), tmp_path / "data", jobs=2)
    assert "ZeroDivisionError: a bug of the laboratory's" in capfd.readouterr().err


def test_a_reader_that_cannot_be_handed_over_is_run_here_and_the_report_says_so(
    days, few_t15, tmp_path, lab
):
    class Local(Card2024):
        """Defined where no other process can import it."""

    prepare(Card2024(days, facts=few_t15), tmp_path / "whole", jobs=1)
    for place, kind in enumerate((Local, lab.Unloadable)):
        report = prepare(kind(days, facts=few_t15), tmp_path / f"{place}", jobs=2)
        assert "prepared by one process, because its reader could not" in report.warnings[0]
        assert files(tmp_path / f"{place}") == files(tmp_path / "whole")


SCRIPT = """
import sys
from pathlib import Path
from sylvian_test_lab import Slow
from sylvian.data import prepare
from sylvian.data.corpora import CorpusFacts

facts = CorpusFacts.model_validate_json(sys.argv[3])
print("once", flush=True)
prepare(Slow(Path(sys.argv[1]), facts=facts), Path(sys.argv[2]), jobs=2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_script_without_a_guard_may_be_stopped_at_any_moment(how, days, few_t15, tmp_path, lab):
    """The processes end with it, do not run the script again, and the next run goes on."""
    (tmp_path / "script.py").write_text(SCRIPT)
    data, said = tmp_path / "data", tmp_path / "said.txt"
    place = str(tmp_path / "lab")
    err_file = said.open("w")
    child = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", days, data, few_t15.model_dump_json()],
        env=os.environ | {"PYTHONPATH": place},
        stdout=subprocess.PIPE,
        stderr=err_file,
        text=True,
        start_new_session=True,
    )
    err_file.close()
    deadline = time.monotonic() + 60
    # A file is begun before its reader speaks: wait for both.
    while time.monotonic() < deadline and (
        len(list(data.rglob("*.partial"))) < 2 or said.read_text().count("a reader may print") < 2
    ):
        time.sleep(0.01)
    assert workers(place), "nothing was running"
    os.killpg(child.pid, getattr(signal, how))
    out, _ = child.communicate(timeout=60)
    err = said.read_text()
    assert out == "once\n"
    assert err.count("Traceback") == (how == "SIGINT") and err.count("a reader may print") == 2
    while workers(place) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not workers(place)
    if how == "SIGINT":
        assert files(data) == {}
    prepare(Card2024(days, facts=few_t15), data, jobs=1)
    prepare(Card2024(days, facts=few_t15), tmp_path / "whole", jobs=1)
    assert files(data) == files(tmp_path / "whole")
    assert check("card2024", data).problems == ()


def workers(place):
    """List the processes that prepare with `place` on their path."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
        except OSError:  # it ended meanwhile
            continue
        if "sylvian.data.workers" in command and place in command:
            found.append(int(folder.name))
    return found


def test_a_small_corpus_starts_no_process_and_a_large_one_no_more_than_pay_off(days, few_t15):
    tasks = [Task(session, "") for session in Card2024(days, facts=few_t15).sessions()]
    assert n_processes(None, tasks) == 1
    assert [n_processes(jobs, tasks) for jobs in (1, 2, 9)] == [1, 2, 4]
    for task in tasks:
        os.truncate(task.session.paths["train"], BYTES_EACH)
    n_cores = len(os.sched_getaffinity(0))
    assert n_processes(None, tasks) == min(n_cores, 4)
    assert n_processes(None, tasks[:1]) == 1
    with pytest.raises(ConfigError, match="jobs=0: give the number of processes"):
        n_processes(0, tasks)
