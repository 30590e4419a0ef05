"""LiNeS: a task vector scaled by depth (Wang et al. 2024, arXiv:2410.17146)."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from adapt.ensembling.weights.interpolate import State, check_same, interpolate
from adapt.errors import RecipeError


def block_fractions(names: Iterable[str], blocks: Mapping[str, int]) -> dict[str, float]:
    """How deep each tensor of one encoder is, as the authors count: block l of L is l / (L - 1).

    Args:
        names: Every tensor of the encoder.
        blocks: Its block, from 0, of each tensor that is in one, as
            `adapt.training.parameters.block_numbers` gives.

    Returns:
        0 for the first block and for everything outside the blocks (also for what follows them), 1
        for the last block; 1 where there is one block only.

    >>> block_fractions(["stem", "a", "b", "c", "norm"], {"a": 0, "b": 1, "c": 2})
    {'stem': 0.0, 'a': 0.0, 'b': 0.5, 'c': 1.0, 'norm': 0.0}
    """
    last = max(blocks.values(), default=0)
    return {
        name: (blocks[name] / last if last else 1.0) if name in blocks else 0.0 for name in names
    }


def lines(
    start: State, tuned: State, depth_of: Mapping[str, float], shallow: float, deep: float
) -> dict[str, Tensor]:
    """Weights `start + scale * (tuned - start)`, scale rising linearly with depth.

    A layer's change is scaled by `shallow + (deep - shallow) * depth`: shallow layers hold
    the general features whose change costs other tasks most. In the paper's letters alpha is
    `shallow` and alpha + beta is `deep`. Equal values are WiSE-FT with that alpha; tensors that
    are not floating point are the start's.

    Args:
        start: What `tuned` was tuned from.
        tuned: Same names, same shapes.
        depth_of: Depth of each floating-point tensor, 0 (first block) to 1 (last); other names are
            ignored. For one encoder: `block_fractions(names, block_numbers(names))`.
        shallow: Scale at depth 0.
        deep: Scale at depth 1.

    Raises:
        RecipeError: When a depth is missing or not between 0 and 1.
        WeightsError: When names or shapes differ.
    """
    check_same(start, tuned)
    scaled = dict(start)
    for name, origin in start.items():
        if origin.is_floating_point():
            scale = shallow + (deep - shallow) * _depth(depth_of, name)
            scaled |= interpolate({name: origin}, {name: tuned[name]}, scale)
    return scaled


def _depth(depth_of: Mapping[str, float], name: str) -> float:
    depth = depth_of.get(name)
    if depth is None:
        raise RecipeError(f"depth_of - name missing - {name} - give a depth for every weight")
    if not 0 <= depth <= 1:
        raise RecipeError(f"depth_of - out of range - {name}: {depth} - give numbers from 0 to 1")
    return depth
