"""A group of processes as Lightning sees it."""

from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from adapt.training.processes.group import Participant, ProcessGroup


class Joined(ClusterEnvironment):
    """Processes that are there and know each other.

    Args:
        member: This process.
    """

    def __init__(self, member: Participant) -> None:
        super().__init__()
        self.member = member

    @property
    def creates_processes_externally(self) -> bool:
        """Lightning starts none."""
        return True

    @property
    def main_address(self) -> str:
        """Not asked for: they have met."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Not asked for: they have met."""
        return 0

    @staticmethod
    def detect() -> bool:
        """It is given, not looked for."""
        return False

    def world_size(self) -> int:
        """Processes on all machines."""
        return self.member.size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Of this process, over all machines."""
        return self.member.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Of this process, on its machine."""
        return self.member.local_rank

    def node_rank(self) -> int:
        """Of this machine."""
        return self.member.rank // self.member.local_size


def strategy_of(name: str, group: ProcessGroup | None) -> "str | Strategy":
    """Lightning's strategy for `runtime.strategy`.

    Args:
        name: `auto`, `ddp` or `fsdp`.
        group: The processes, where there are several.
    """
    if group is None:
        return "auto"
    if name == "fsdp":
        return ModelParallelStrategy(
            data_parallel_size=group.member.size,
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
        )
    return DDPStrategy(gradient_as_bucket_view=True)
