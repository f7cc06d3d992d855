"""What reaches the disk when the network and the server misbehave."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sylvian.data.fetch import FetchConfig, fetch
from sylvian.data.fetch.record import alone
from sylvian.errors import DataError

BODY = bytes(range(256)) * 400  # 102,400 bytes
PATH = "/f/a.mat"


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if ".partial" in path.name)


def test_files_arrive_and_are_not_fetched_twice(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY, "b.mat": b"", "deep/c.mat": BODY[:7]})
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY
    assert (tmp_path / "b.mat").read_bytes() == b""
    assert (tmp_path / "deep" / "c.mat").read_bytes() == BODY[:7]
    assert (report.n_files, report.n_downloaded, report.n_bytes) == (3, 3, len(BODY) + 7)
    assert report.unverified == () and leftovers(tmp_path) == []
    again = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (again.n_files, again.n_downloaded) == (3, 0)
    assert len(shop.asked(PATH)) == 1


def test_broken_connection_is_resumed_by_range(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.drop(40_000), shop.reset, shop.drop(20_000))
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY
    ranges = [seen.headers.get("Range") for seen in shop.asked(PATH)]
    assert ranges == [None, "bytes=40000-", "bytes=40000-", "bytes=60000-"]
    etag = '"' + hashlib.md5(BODY).hexdigest() + '"'
    assert [seen.headers.get("If-Range") for seen in shop.asked(PATH)[1:]] == [etag] * 3


def test_a_later_run_goes_on_where_an_earlier_gave_up(
    shop: Any, tmp_path: Path, hurried: Any
) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.drop(30_000))
    once = hurried.model_copy(update={"attempts": 1})
    with pytest.raises(DataError, match=r"a\.mat: .*gave up after 1 attempts; run the same"):
        fetch(home, tmp_path, config=once, archive=archive)
    assert not (tmp_path / "a.mat").exists()
    assert (tmp_path / "a.mat.partial").stat().st_size == 30_000
    fetch(home, tmp_path, config=once, archive=archive)
    assert shop.asked(PATH)[-1].headers["Range"] == "bytes=30000-"
    assert (tmp_path / "a.mat").read_bytes() == BODY and leftovers(tmp_path) == []


def test_attempts_are_limited(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.always[PATH] = shop.status(500)
    with pytest.raises(DataError, match="HTTP 500 .*gave up after 4 attempts"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len(shop.asked(PATH)) == 4


def test_attempts_that_bring_much_do_not_count(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.always[PATH] = shop.drop(10_000)
    patient = hurried.model_copy(update={"attempts": 2, "fruitful_bytes": 10_000})
    fetch(home, tmp_path, config=patient, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY and len(shop.asked(PATH)) == 11


def test_drops_without_ranges_end(shop: Any, tmp_path: Path, hurried: Any) -> None:
    """Each attempt brings much, but never more than the one before: that is no progress."""
    home, archive = shop.zenodo({"a.mat": BODY})

    def part(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:50_000])
        handler.break_off()

    shop.always[PATH] = part
    greedy = hurried.model_copy(update={"fruitful_bytes": 1_000})
    with pytest.raises(DataError, match="gave up after 4 attempts"):
        fetch(home, tmp_path, config=greedy, archive=archive)
    assert len(shop.asked(PATH)) == 4 + 1  # the first brought something new


@pytest.mark.parametrize("fault", ["whole", "shifted", "overlong"])
def test_answers_that_do_not_go_on_begin_anew(
    shop: Any, tmp_path: Path, hurried: Any, fault: str
) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.drop(30_000), getattr(shop, fault))
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY


def test_file_that_changed_on_the_way_begins_anew(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    other = BODY[::-1]
    shop.bodies[PATH] = other
    shop.fails(PATH, shop.drop(30_000))
    with pytest.raises(DataError, match="checksum"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    shop.bodies[PATH] = BODY
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY


def test_length_that_lies_short_is_completed(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.truncated(1_000))
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY
    assert shop.asked(PATH)[1].headers["Range"] == "bytes=1000-"


def test_no_more_is_written_than_listed(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.always[PATH] = shop.overlong
    with pytest.raises(DataError, match="more than the 102400 bytes listed were sent"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert leftovers(tmp_path) == [] and not (tmp_path / "a.mat").exists()


def test_wrong_bytes_are_fetched_again_once(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.garbled)
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY and len(shop.asked(PATH)) == 2


def test_wrong_bytes_twice_are_an_error(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.always[PATH] = shop.garbled
    with pytest.raises(DataError, match="another checksum than Zenodo publishes"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len(shop.asked(PATH)) == 2
    assert leftovers(tmp_path) == [] and not (tmp_path / "a.mat").exists()


def test_damaged_part_is_found_out(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.drop(30_000))
    once = hurried.model_copy(update={"attempts": 1})
    with pytest.raises(DataError):
        fetch(home, tmp_path, config=once, archive=archive)
    partial = tmp_path / "a.mat.partial"
    partial.write_bytes(b"\0" * 30_000)
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY


@pytest.mark.parametrize(("etag", "resumed"), [(True, True), (False, False)])
def test_without_checksum_only_a_strong_etag_allows_resuming(
    shop: Any, tmp_path: Path, hurried: Any, etag: bool, resumed: bool
) -> None:
    home, archive = shop.zenodo({"a.mat": BODY}, checksums=False)
    shop.fails(PATH, lambda handler: handler.serve_bytes(n_sent=30_000, etag=etag))
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY and report.unverified == ("a.mat",)
    assert ("Range" in shop.asked(PATH)[1].headers) == resumed


def test_retry_after_is_honoured(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.status(429, Retry_After="1"), shop.status(503))
    began = time.monotonic()
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert time.monotonic() - began >= 1.0
    assert (tmp_path / "a.mat").read_bytes() == BODY


@pytest.mark.parametrize("after", ["7200", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_long_retry_after_ends_the_run(shop: Any, tmp_path: Path, hurried: Any, after: str) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.status(429, Retry_After=after))
    with pytest.raises(DataError, match=r"HTTP 429 .*asks to wait \d+ seconds; run the same"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len(shop.asked(PATH)) == 1


@pytest.mark.parametrize("after", ["soon", "Wed, 21 Oct 2015 07:28:00 GMT", "0"])
def test_odd_retry_after_is_no_wait(shop: Any, tmp_path: Path, hurried: Any, after: str) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.status(503, Retry_After=after))
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY


def test_quiet_server_is_given_up_on(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    done = threading.Event()
    shop.always[PATH] = lambda handler: done.wait(10) and None
    brief = hurried.model_copy(update={"attempts": 2, "read_s": 0.1})
    with pytest.raises(DataError, match="ReadTimeout"):
        fetch(home, tmp_path, config=brief, archive=archive)
    done.set()


def test_missing_file_does_not_keep_the_others(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY, "b.mat": BODY[:9], "c.mat": BODY[:8]})
    del shop.bodies["/f/a.mat"], shop.bodies["/f/b.mat"]
    with pytest.raises(DataError, match=r"HTTP 404 .*no longer has it.*\(2 of 3 files failed\)"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "c.mat").read_bytes() == BODY[:8]
    assert len(shop.asked("/f/a.mat")) == 1


def test_several_at_a_time_and_no_more(shop: Any, tmp_path: Path, hurried: Any) -> None:
    names = [f"{number}.mat" for number in range(6)]
    home, archive = shop.zenodo({name: name.encode() for name in names})
    pair = threading.Barrier(2)  # breaks unless two downloads really are under way together
    inside, most, lock = [0], [0], threading.Lock()

    def counted(handler: Any) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        pair.wait(timeout=5)
        time.sleep(0.02)
        with lock:
            inside[0] -= 1
        handler.serve_bytes()

    for name in names:
        shop.always[f"/f/{name}"] = counted
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert most[0] == 2
    assert all((tmp_path / name).read_bytes() == name.encode() for name in names)


def test_progress_counts_bytes(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY, "b.mat": BODY[:100]})
    told: list[tuple[str, int, int, str]] = []
    fetch(home, tmp_path, config=hurried, archive=archive, progress=lambda *a: told.append(a))
    total = len(BODY) + 100
    downloads = [row for row in told if row[0] == "download"]
    assert downloads[-1][1:3] == (total, total)
    assert {row[2] for row in told} == {total} and {row[3] for row in told} == {"a.mat", "b.mat"}


def test_file_put_there_by_hand_is_used(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    (tmp_path / "a.mat").write_bytes(BODY)
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.n_files, report.n_downloaded) == (1, 0) and not shop.asked(PATH)


def test_other_file_in_the_way_is_left_alone(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    (tmp_path / "a.mat").write_bytes(BODY[::-1])
    with pytest.raises(DataError, match=r"a\.mat: is not the file that Zenodo publishes"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY[::-1]


def test_file_touched_since_is_checked_again(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    fetch(home, tmp_path, config=hurried, archive=archive)
    (tmp_path / "a.mat").write_bytes(BODY[::-1])
    with pytest.raises(DataError, match="move it away"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_no_room_is_said_before_anything_is_asked_for(
    shop: Any, tmp_path: Path, hurried: Any
) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.answers["/api/records/77"]["files"][0]["size"] = 10**18
    with pytest.raises(DataError, match=r"needs at least 1000000000\.00 GB more"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert not shop.asked(PATH)


def test_folder_that_cannot_be_written(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY, "in/b.mat": BODY})
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(home, tmp_path / "file", config=hurried, archive=archive)
    (tmp_path / "in").write_text("")  # a file where a folder should be
    with pytest.raises(DataError, match="cannot be written"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_two_fetches_into_one_folder(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    with alone(tmp_path), pytest.raises(DataError, match="another fetch is at work here"):
        fetch(home, tmp_path, config=hurried, archive=archive)


@pytest.mark.parametrize("text", ["{", '{"format": 2, "files": {}}', '{"format": 1}'])
def test_damaged_record(shop: Any, tmp_path: Path, hurried: Any, text: str) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    fetch(home, tmp_path, config=hurried, archive=archive)
    (tmp_path / ".sylvian-fetch.json").write_text(text)
    with pytest.raises(DataError, match="delete it and run again"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    (tmp_path / ".sylvian-fetch.json").unlink()
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_downloaded == 0


def test_part_of_another_version_is_thrown_away(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails(PATH, shop.drop(30_000))
    with pytest.raises(DataError):
        fetch(home, tmp_path, config=hurried.model_copy(update={"attempts": 1}), archive=archive)
    notes = json.loads((tmp_path / "a.mat.partial.json").read_text())
    assert notes["n_bytes"] == len(BODY)
    shop.zenodo({"a.mat": BODY[::-1]})
    fetch(home, tmp_path, config=hurried, archive=archive)
    assert (tmp_path / "a.mat").read_bytes() == BODY[::-1]
    assert "Range" not in shop.asked(PATH)[-1].headers


FAULTS = ["whole", "garbled", "shifted", "overlong", "reset", "web_page"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    faults=st.lists(
        st.one_of(
            st.sampled_from(FAULTS),
            st.integers(0, 3_000).map(lambda n: f"drop {n}"),
            st.integers(0, 3_000).map(lambda n: f"truncated {n}"),
            st.sampled_from([403, 404, 416, 429, 500, 503]).map(lambda n: f"status {n}"),
        ),
        max_size=8,
    )
)
def test_whatever_happens_the_file_is_right_or_absent(
    open_shop: Callable[[], Any],
    shop: Any,
    tmp_path_factory: pytest.TempPathFactory,
    hurried: FetchConfig,
    faults: list[str],
) -> None:
    body, raw = BODY[:3_000], tmp_path_factory.mktemp("raw")
    home, archive = shop.zenodo({"a.mat": body})
    shop.faults[PATH].clear()
    for fault in faults:
        name, _, number = fault.partition(" ")
        made = getattr(shop, name)
        shop.fails(PATH, made(int(number)) if number else made)
    for _ in range(len(faults) + 1):  # every failed run used up at least one fault
        try:
            fetch(home, raw, config=hurried, archive=archive)
        except DataError:
            assert not (raw / "a.mat").exists()
        else:
            break
    assert (raw / "a.mat").read_bytes() == body and leftovers(raw) == []
