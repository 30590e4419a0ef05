"""How processes that were started find each other."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from adapt.training.processes.group import FOREVER, Participant, ProcessGroup, belonging

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
MEETING = timedelta(minutes=10)
"""How long processes wait for each other at the beginning."""
TRAINING = timedelta(minutes=30)
"""How long a step of a training may wait for another process."""


def started_elsewhere(environment: Mapping[str, str]) -> Participant | None:
    """Where torchrun or SLURM put this process; None where nobody started several.

    Args:
        environment: Variables of the process.

    >>> started_elsewhere({}) is None
    True
    """
    if environment.keys() >= set(TORCHRUN):
        member = Participant(*(int(environment[name]) for name in TORCHRUN))
    elif SLURMEnvironment.detect() and "SLURM_PROCID" in environment:
        rank, size, local = (int(environment[name]) for name in SLURM)
        member = Participant(rank, size, local, size // int(environment.get("SLURM_NNODES", "1")))
    else:
        return None
    return member if member.size > 1 else None


def meeting(member: Participant) -> Store:
    """Where processes that were started elsewhere meet.

    Args:
        member: This process.
    """
    slurm = SLURMEnvironment() if "SLURM_PROCID" in os.environ else None
    address = os.environ.get("MASTER_ADDR") or (slurm.main_address if slurm else "127.0.0.1")
    port = int(os.environ.get("MASTER_PORT") or (slurm.main_port if slurm else 0))
    served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    first = member.rank == 0 and not served
    store = TCPStore(address, port, None, first, MEETING, wait_for_workers=False)
    return PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)


@contextmanager
def joined(member: Participant, store: Store, device: str, threads: int) -> Iterator[ProcessGroup]:
    """This process as a member of a group, until the end.

    Args:
        member: This process.
        store: Where all meet.
        device: `cuda`, `mps` or `cpu`.
        threads: That this process may compute with.
    """
    if device == "cuda":
        torch.cuda.set_device(member.local_rank)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    before = torch.get_num_threads()
    dist.init_process_group(
        backend, store=store, rank=member.rank, world_size=member.size, timeout=TRAINING
    )
    group = ProcessGroup(
        member, PrefixStore("tasks", store), dist.new_group(backend="gloo", timeout=FOREVER)
    )
    torch.set_num_threads(threads)
    try:
        with belonging(group):
            yield group
    finally:
        torch.set_num_threads(before)
        if member.rank == 0:
            group.close()
        dist.destroy_process_group()
