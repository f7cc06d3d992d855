"""Sessions prepared by several processes, each of which reads and writes whole sessions.

Why here: the pools of the standard library start a process by running the caller's script once
more, so that a script or notebook that prepares without a `__main__` guard would start itself; and
a child of theirs outlives a parent that is killed. Ours run nothing but this module, and end when
their standard input does, whatever ended the parent. They are handed the reader by pickle, as any
pool does; what they read from a disk is never unpickled.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO

from sylvian.data.corpora.base import Corpus, SessionRef
from sylvian.data.corpora.reading import DAMAGE
from sylvian.data.files import sweep
from sylvian.data.index import SessionEntry
from sylvian.data.session import write_session
from sylvian.errors import ConfigError, DataError, SylvianError

# A process that reads less than this gains little more than its start takes (half a second).
BYTES_EACH = 256_000_000
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from sylvian.data.workers import serve; serve()"
)
_UNPACKABLE = (pickle.PickleError, ImportError, *DAMAGE)


@dataclass(frozen=True, slots=True)
class Task:
    """A session to prepare.

    Attributes:
        session: Where it lies.
        source: Fingerprint of its raw files.
    """

    session: SessionRef
    source: str

    @property
    def n_bytes(self) -> int:
        """Size of its raw files."""
        paths = {*self.session.paths.values(), *self.session.files.values()}
        return sum(path.stat().st_size for path in paths)


Written = Generator[tuple[Task, SessionEntry], None, None]


def n_processes(jobs: int | None, tasks: Sequence[Task]) -> int:
    """Say how many processes to use: never more than sessions.

    Args:
        jobs: As many as this; None for as many as pay off, which is at most one for each core that
            this process may use and one for each 256 MB to read.
        tasks: The sessions to prepare.

    Raises:
        ConfigError: `jobs` is not positive.
    """
    if jobs is None:
        jobs = max(1, min(_n_cores(), sum(task.n_bytes for task in tasks) // BYTES_EACH))
    if jobs < 1:
        raise ConfigError(f"jobs={jobs}: give the number of processes, 1 or more")
    return min(jobs, len(tasks))


def in_this_process(corpus: Corpus, folder: Path, tasks: Sequence[Task]) -> Written:
    """Prepare one session after the other.

    Raises:
        DataError: see `write_session`.
    """
    for task in tasks:
        yield task, write_session(corpus, task.session, folder, task.source)


def in_processes(
    corpus: Corpus,
    folder: Path,
    tasks: Sequence[Task],
    *,
    n: int,
    note: Callable[[str], None],
) -> Written:
    """Prepare `n` sessions at a time, and give out each as soon as it is finished.

    They are begun in the order of `tasks`. After a failure no more are begun, those under way are
    finished, and the failure of the first session that failed is raised: the one that a single
    process would have met. A caller that stops early (Ctrl-C) stops all processes at once.

    Args:
        corpus: Reader of the raw files.
        folder: Folder of the prepared corpus.
        tasks: The sessions to prepare.
        n: Number of processes.
        note: Told why the reader could not be handed to other processes, where it could not; then
            all is done in this one.

    Raises:
        DataError: see `write_session`; or a process was killed.
    """
    with _crew(corpus, folder, tasks, n) as (threads, workers, refusal):
        if refusal is None:
            yield from _handed_out(threads, workers, tasks)
            return
    note(
        f"{corpus.facts.name}: prepared by one process, because its reader could not be handed to "
        f"others ({refusal}); a class at the top of a module can be"
    )
    yield from in_this_process(corpus, folder, tasks)


def serve() -> None:
    """Be one of the processes: prepare the sessions that standard input names, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a reader prints must not come between the answers
    sys.excepthook = _tell_at_once
    asked: SimpleQueue[int] = SimpleQueue()
    try:
        packed = pickle.load(sys.stdin.buffer)  # our own parent's pipe, never a file
        corpus, folder, tasks = pickle.loads(packed)
    except _UNPACKABLE as failure:
        _say(answers, _reason(failure))
        return
    Thread(target=_listen, args=(asked,), daemon=True).start()
    _say(answers, None)
    while True:
        task = tasks[asked.get()]
        try:
            answer: object = write_session(corpus, task.session, folder, task.source)
        except SylvianError as failure:
            answer = failure
        _say(answers, answer)


def _tell_at_once(
    kind: type[BaseException], failure: BaseException, trace: TracebackType | None
) -> None:
    """Print a bug's traceback in one piece: two processes may meet the same one at once."""
    os.write(2, "".join(traceback.format_exception(kind, failure, trace)).encode())


def _listen(asked: SimpleQueue[int]) -> None:
    try:
        while True:
            asked.put(pickle.loads(os.read(0, 64)))  # past the buffer, which a crash would wait for
    finally:  # nobody is there to take an answer; a half-written file is swept by the next run
        os._exit(0)


class _Worker:
    """One of the processes, seen from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OMP_NUM_THREADS": "1"} | os.environ,
            process_group=0,  # Ctrl-C is for the parent alone
        )

    def ask(self, question: object) -> object:
        """Send a question and wait for the answer; an EOFError if the process is no more."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            _say(stdin, question)
            return pickle.load(stdout)  # our own child's pipe, never a file
        except (OSError, pickle.UnpicklingError) as failure:
            raise EOFError from failure

    def write(self, place: int, task: Task) -> SessionEntry:
        """Have a session prepared."""
        try:
            answer = self.ask(place)
        except EOFError as failure:
            status = self._process.wait()
            raise DataError(
                f"{task.session.participant}/{task.session.session}: the process that prepared it "
                + (
                    f"was killed by signal {-status}; what was finished is kept, so run again, "
                    "with fewer --jobs if memory was short"
                    if status < 0
                    else f"ended with status {status}; its own message is above"
                )
            ) from failure
        if isinstance(answer, SylvianError):
            raise answer
        assert isinstance(answer, SessionEntry)
        return answer

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what it was not able to read any more
                    pipe.close()


_Crew = tuple[ThreadPoolExecutor, list[_Worker], str | None]


@contextmanager
def _crew(corpus: Corpus, folder: Path, tasks: Sequence[Task], n: int) -> Iterator[_Crew]:
    """Start processes, a thread to wait for each, and say why not where that fails."""
    workers: list[_Worker] = []
    with ThreadPoolExecutor(n) as threads:
        try:
            yield threads, workers, _refusal(threads, workers, (corpus, folder, tasks), n)
        finally:  # before the threads are waited for: they wait for the processes
            for worker in workers:
                worker.stop()
            sweep(folder)


def _refusal(
    threads: ThreadPoolExecutor, workers: list[_Worker], work: object, n: int
) -> str | None:
    """Start the processes and hand them the work; say why not where that fails."""
    try:
        packed = pickle.dumps(work)
        for _ in range(n):
            workers.append(_Worker())  # noqa: PERF401 (one that cannot start leaves those before)
        answers = list(threads.map(lambda worker: worker.ask(packed), workers))
    except (EOFError, *_UNPACKABLE) as failure:
        return _reason(failure)
    return next((str(answer) for answer in answers if answer is not None), None)


def _handed_out(
    threads: ThreadPoolExecutor, workers: Sequence[_Worker], tasks: Sequence[Task]
) -> Written:
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def write(place: int) -> SessionEntry:
        worker = idle.get()
        entry = worker.write(place, tasks[place])
        idle.put(worker)  # one that failed is not asked again
        return entry

    running: dict[Future[SessionEntry], int] = {}
    failed: dict[int, Future[SessionEntry]] = {}
    places = iter(range(len(tasks)))
    while True:
        while not failed and len(running) < len(workers):
            place = next(places, None)
            if place is None:
                break
            running[threads.submit(write, place)] = place
        if not running:
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            place = running.pop(future)
            if future.exception() is None:
                yield tasks[place], future.result()
            else:
                failed[place] = future
    if failed:
        failed[min(failed)].result()


def _say(stream: IO[bytes], message: object) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _reason(failure: BaseException) -> str:
    return " ".join(str(failure).split()) or type(failure).__name__


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
