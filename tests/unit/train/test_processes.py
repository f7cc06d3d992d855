import pytest

from sylvian.errors import ConfigError
from sylvian.train.processes import check_processes, check_single, leads

NAMES = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE"),
    *("SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_JOB_NAME"),
)
SRUN = {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4"}


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def set_(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0"}, False),  # torchrun on a second machine
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "1"}, False),
        (SRUN | {"SLURM_PROCID": "0"}, True),
        (SRUN | {"SLURM_PROCID": "3"}, False),
        (SRUN | {"SLURM_PROCID": "3", "SLURM_JOB_NAME": "interactive"}, True),
        ({"SLURM_PROCID": "0", "RANK": "1", "SLURM_NTASKS": "1"}, False),  # torchrun within SLURM
    ],
)
def test_one_process_leads(environment, values, expected):
    environment(**values)
    assert leads() is expected


def test_started_processes_are_those_asked_for(environment):
    check_processes(2, 4)  # nobody started any: Lightning will
    environment(WORLD_SIZE="8")
    check_processes(2, 4)
    check_processes(8, 1)
    with pytest.raises(ConfigError, match=r"8 processes were started, but train\.devices=1 .* 1;"):
        check_processes(1, 1)


def test_a_verb_of_many_trainings_is_one_process(environment):
    check_single("study", ["corpus=card2024", "train.devices=1"])
    environment(WORLD_SIZE="1")
    check_single("study")
    for item in ("train.devices=2", "rnn:train.nodes=3", "start.train.devices=2"):
        with pytest.raises(ConfigError, match=f"study: {item}, but each .* 'sylvian train'"):
            check_single("study", ["corpus=card2024", item])
    environment(WORLD_SIZE="2")
    with pytest.raises(ConfigError, match="demo: 2 processes were started, .* once"):
        check_single("demo")


def test_a_rank_that_is_no_number(environment):
    environment(RANK="first")
    with pytest.raises(ConfigError, match="RANK='first' is not a number"):
        leads()
