"""Groups of a support set."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import recall_score

from adapt.methods.features.groups import SupportGroups, worst_accuracy
from adapt.methods.features.support import Support


def support(val: bool = True) -> Support:
    random = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(6, 4, generator=random), dim=1)
    held = (features[:3], torch.tensor([0, 1, 1])) if val else None
    return Support(
        features[None],
        torch.tensor([0, 0, 1, 1, 1, 0]),
        torch.eye(2, 4),
        held,
        attributes=torch.tensor([0, 1, 1, 1, 1, 0]),
        val_attributes=torch.tensor([1, 0, 1]) if val else None,
    )


def test_numbers_agree_between_both_sets() -> None:
    groups = SupportGroups.of(support())
    assert groups.numbers.tolist() == [0, 1, 2, 2, 2, 0]
    assert groups.counts.tolist() == [2, 1, 3]
    assert groups.val is not None
    assert groups.val.tolist() == [1, 3, 2]  # the second is of a group that train lacks
    assert SupportGroups.of(support(val=False)).val is None


def test_a_part_keeps_its_attributes() -> None:
    part = support().part(torch.tensor([5, 2]))
    assert part.attributes is not None
    assert part.attributes.tolist() == [0, 1]
    assert part.val_attributes is None


def test_the_worst_accuracy_is_the_lowest_recall() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 4, 60)
    right = random.uniform(size=60) < 0.6
    recalls = recall_score(groups, np.where(right, groups, 9), labels=range(4), average=None)
    found = worst_accuracy(torch.from_numpy(right), torch.from_numpy(groups))
    assert found == recalls.min()
