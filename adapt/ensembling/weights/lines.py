"""LiNeS: a task vector scaled by depth (Wang et al. 2024, arXiv:2410.17146)."""

from collections.abc import Mapping

from torch import Tensor

from adapt.ensembling.weights.interpolate import State, check_same, interpolate
from adapt.errors import RecipeError


def depth_fractions(depths: Mapping[str, int]) -> dict[str, float]:
    """Depths counted from the input, as `adapt.training.parameters.depths` gives, as fractions.

    Args:
        depths: Depth of each name.

    Returns:
        0 for the smallest depth, 1 for the largest, evenly between; all 1 when there is one depth.

    >>> depth_fractions({"stem": 0, "block": 1, "head": 2})
    {'stem': 0.0, 'block': 0.5, 'head': 1.0}
    """
    low, high = min(depths.values(), default=0), max(depths.values(), default=0)
    return {
        name: (depth - low) / (high - low) if high > low else 1.0 for name, depth in depths.items()
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
        depth_of: Depth of each floating-point tensor, 0 (input) to 1 (output); other names are
            ignored. For a classifier: `depth_fractions(depths(list(classifier.state_dict())))`.
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
