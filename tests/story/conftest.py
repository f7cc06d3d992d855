"""Every story has a home of its own and speaks through the command line."""

import sys
from pathlib import Path

import pytest

from story.driving import Call, Outcome
from sylvian import cli


@pytest.fixture
def sylvian(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.setenv("SYLVIAN_DATA", str(home / "data"))
    monkeypatch.setenv("SYLVIAN_RUNS", str(home / "runs"))

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sylvian", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
            sys.exit(0)
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return call
