"""A group of processes as Lightning sees it."""

from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed import HashStore

from adapt.training.processes.group import Participant, ProcessGroup
from adapt.training.processes.lightning import Joined, strategy_of


def test_ranks_over_machines() -> None:
    own = Joined(Participant(rank=5, size=8, local_rank=1, local_size=4))
    assert (own.world_size(), own.global_rank(), own.local_rank(), own.node_rank()) == (8, 5, 1, 1)
    assert own.creates_processes_externally


def test_strategies() -> None:
    group = ProcessGroup(Participant(0, 2, 0, 2), HashStore(), None)
    assert strategy_of("ddp", None) == "auto"
    assert isinstance(strategy_of("auto", group), DDPStrategy)
    assert isinstance(strategy_of("ddp", group), DDPStrategy)
    assert isinstance(strategy_of("fsdp", group), ModelParallelStrategy)
