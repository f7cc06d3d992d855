"""What an answer of end-to-end runs costs: encoder, adapters, and the language model once."""

from pathlib import Path
from typing import Any

import pytest

from sylvian.merging.costs import cost_of, total
from sylvian.runs import RunFolder

MB = 1_000_000
RESULT = {"seconds_encoder": 1.0, "seconds_search": 2.0}
BASE = {"fingerprint": "aa", "weight_bytes": 500 * MB}
SPOKEN: dict[str, Any] = {"result": RESULT, "end_to_end": {"llm": {"name": "smollm2"}}}


def run_folder(path: Path) -> RunFolder:
    """Leave the files of a run that count: 3 MB of encoder, 2 MB of adapters."""
    run = RunFolder(path)
    run.best.mkdir(parents=True)
    (run.best / "weights.safetensors").write_bytes(bytes(3 * MB))
    (run.best / "adapters.safetensors").write_bytes(bytes(2 * MB))
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[RunFolder]:
    return [run_folder(tmp_path / name) for name in ("one", "two")]


def test_a_run_that_speaks_has_its_adapters_and_its_language_model_in_memory(
    runs: list[RunFolder],
) -> None:
    cost = cost_of(runs[0], SPOKEN | {"speaker": BASE})
    assert (cost.weights_mb, len(cost.weights), cost.seconds) == (505, 2, 3)
    assert cost_of(runs[0], {"result": RESULT, "end_to_end": None}).weights_mb == 3


@pytest.mark.parametrize(
    ("other", "mb", "n"),
    [
        (BASE, 510, 3),  # one copy of the base for both
        (BASE | {"fingerprint": "bb"}, 1010, 4),
        (BASE | {"weight_bytes": 250 * MB}, 760, 4),  # the same in half precision: a second copy
    ],
)
def test_runs_share_one_language_model(
    runs: list[RunFolder], other: dict[str, Any], mb: int, n: int
) -> None:
    costs = [
        cost_of(run, SPOKEN | {"speaker": told})
        for run, told in zip(runs, (BASE, other), strict=True)
    ]
    together = total(costs)
    assert (together.weights_mb, len(together.weights), together.unweighed) == (mb, n, ())


def test_decodes_that_do_not_tell_their_language_models_size_are_counted_without_and_named(
    runs: list[RunFolder],
) -> None:
    together = total(cost_of(run, SPOKEN) for run in runs)
    assert together.weights_mb == 10
    assert together.unweighed == ("smollm2",)


def test_a_second_pass_counts_beside_what_speaks(runs: list[RunFolder]) -> None:
    read = {"llm": {"digest": "cc"}, "second_pass": {"weight_bytes": 90 * MB, "seconds": 4.0}}
    cost = cost_of(runs[0], SPOKEN | {"speaker": BASE} | read)
    assert (cost.weights_mb, cost.second_pass_s) == (595, 4)
