"""Where torchrun and SLURM put processes; `test_group` lets them meet."""

import pytest

from adapt.training.processes.group import Participant
from adapt.training.processes.meeting import started_elsewhere

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}


def test_places_of_torchrun() -> None:
    member = started_elsewhere(TORCHRUN)
    assert member == Participant(5, 8, 1, 4)
    assert member is not None
    assert member.nodes == 2
    assert started_elsewhere(TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"}) is None
    assert started_elsewhere({"RANK": "0"}) is None


def test_places_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "SLURM_NNODES": "2",
        "SLURM_JOB_NAME": "training",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert started_elsewhere(variables) == Participant(3, 4, 1, 2)
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")  # a shell on a node: nobody started several
    assert started_elsewhere(variables) is None
