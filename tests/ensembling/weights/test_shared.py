"""Models of one start in little memory: the same numbers, elsewhere."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from adapt.ensembling.line import mix
from adapt.ensembling.weights.shared import share_weights
from adapt.models.classifier import Classifier
from tests.helpers.tiny import RESNET, VIT, bit_equal, moved, tiny_classifier, weights
from tests.helpers.tuned import new_head


@pytest.mark.parametrize("arch", [VIT, RESNET])
def test_what_is_equal_is_shared_and_the_rest_lies_in_a_file(arch: str, tmp_path: Path) -> None:
    start, file = tiny_classifier(arch), tmp_path / "deep" / "model.safetensors"
    tuned = start.clone()
    last = list(dict(tuned.named_parameters()))[-3]
    with torch.no_grad():
        dict(tuned.named_parameters())[last].add_(0.1)
    expected, before = weights(tuned), weights(start)
    shared = share_weights(tuned, start, file)
    assert shared is tuned
    assert bit_equal(weights(shared), expected)
    assert bit_equal(weights(start), before)
    with safe_open(file, "pt") as written:
        assert list(written.keys()) == [last]
    theirs = {name: value.data_ptr() for name, value in start.state_dict().items()}
    for name, value in shared.state_dict().items():
        assert (value.data_ptr() == theirs[name]) is (name != last)
    file.unlink()
    assert bit_equal(weights(shared), expected), "mapped until it is no longer used"
    assert bit_equal(weights(mix(start, shared, 0.5)), weights(mix(start, tuned.clone(), 0.5)))
    copy = shared.clone()
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(1.0)
    assert bit_equal(weights(start), before), "a copy shares nothing"


def test_all_or_nothing_may_differ(start: Classifier, tmp_path: Path) -> None:
    tuned, same, probe = moved(start), start.clone(), new_head(start)
    expected = weights(tuned), weights(probe)
    for number, model in enumerate((tuned, same, probe)):
        share_weights(model, start, tmp_path / f"{number}.safetensors")
    assert bit_equal(weights(tuned), expected[0])
    assert bit_equal(weights(probe), expected[1])
    assert bit_equal(weights(same), weights(start))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.safetensors", "2.safetensors"]
    own = {value.untyped_storage().data_ptr() for value in start.state_dict().values()}
    head = {n for n, v in probe.state_dict().items() if v.untyped_storage().data_ptr() not in own}
    assert head == {"head.weight", "head.bias"}
