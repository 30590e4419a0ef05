"""A bundle without encoders gives the same weights back, bit for bit, or is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.ensembling.line import mix
from adapt.errors import BundleError
from adapt.export.delta import restore, write_delta
from adapt.models.bundle.manifest import ADAPTER, DELTA, ENCODERS, MANIFEST
from adapt.models.bundle.tensors import load_tensors, save_tensors
from adapt.models.classifier import Classifier, verify_bundle
from adapt.models.heads import linear_head
from tests.helpers.bundles import forge
from tests.helpers.tiny import bit_equal, moved, weights


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize("alpha", [1.0, 0.7, 0.1])
def test_lora_comes_back_bit_for_bit(
    alpha: float, embedded: Classifier, low_rank: Classifier, tmp_path: Path
) -> None:
    whole = mix(embedded, low_rank, alpha).save(tmp_path / "whole", {"alpha": alpha}, card="# card")
    small = write_delta(whole, tmp_path / "small").folder
    stored = load_tensors(small / DELTA)
    assert not [name for name in stored if name.startswith("whole/")]
    assert size(small) < 0.1 * size(whole)
    assert bit_equal(weights(Classifier.load(small)), weights(Classifier.load(whole)))
    back = restore(small, tmp_path / "back").folder
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_a_head_on_the_start_is_nothing_but_a_head(embedded: Classifier, tmp_path: Path) -> None:
    model = embedded.with_learned_head(linear_head(torch.randn(3, embedded.backbone.width)))
    small = write_delta(model.save(tmp_path / "whole"), tmp_path / "small").folder
    assert load_tensors(small / DELTA) == {}
    assert bit_equal(weights(Classifier.load(small)), weights(model))
    assert verify_bundle(small).probabilities == 0


def test_other_changes_are_stored_whole(embedded: Classifier, tmp_path: Path) -> None:
    tuned = moved(embedded)
    with torch.no_grad():  # one matrix and a scalar alone
        state, other = (
            embedded.clone().backbone.model.state_dict(),
            tuned.backbone.model.state_dict(),
        )
        for name in state:
            if name not in ("visual.proj", "logit_scale"):
                other[name].copy_(state[name])
    small = write_delta(tuned.save(tmp_path / "whole"), tmp_path / "small").folder
    assert set(load_tensors(small / DELTA)) == {"whole/visual.proj", "whole/logit_scale"}
    assert bit_equal(weights(Classifier.load(small)), weights(tuned))


def test_an_adapter_that_is_not_all_of_the_change_is_not_used(
    embedded: Classifier, low_rank: Classifier, tmp_path: Path
) -> None:
    changed = low_rank.clone()
    name = changed.low_rank.products[0].name  # type: ignore[union-attr]
    with torch.no_grad():
        changed.backbone.model.state_dict()[name][0, 0] += 1
    small = write_delta(changed.save(tmp_path / "whole"), tmp_path / "small").folder
    assert f"whole/{name}" in load_tensors(small / DELTA)
    assert bit_equal(weights(Classifier.load(small)), weights(changed))


def test_a_whole_bundle_keeps_its_adapter(low_rank: Classifier, tmp_path: Path) -> None:
    folder = low_rank.save(tmp_path / "whole")
    again = Classifier.load(folder).low_rank
    assert again is not None
    assert low_rank.low_rank is not None
    assert again.scale == low_rank.low_rank.scale == 2.0
    pairs = zip(again.products, low_rank.low_rank.products, strict=True)
    assert all(torch.equal(a.up, b.up) and torch.equal(a.down, b.down) for a, b in pairs)


def test_a_delta_of_a_delta_is_refused(low_rank: Classifier, tmp_path: Path) -> None:
    small = write_delta(low_rank.save(tmp_path / "whole"), tmp_path / "small").folder
    with pytest.raises(BundleError, match="it is a delta already"):
        write_delta(small, tmp_path / "smaller")
    assert not (tmp_path / "smaller").exists()


def _without_scale(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["scale"]


def _one_more(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if name.startswith("up/"))
    tensors[name] = tensors[name] + 1


def _strange(tensors: dict[str, torch.Tensor]) -> None:
    tensors["whole/strange"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_without_scale, "does not fit"),
        (_one_more, "restored weights differ"),
        (_strange, "restored weights differ"),
    ],
)
def test_forged_deltas(
    change: Callable[[dict[str, Any]], None],
    expected: str,
    low_rank: Classifier,
    tmp_path: Path,
) -> None:
    small = write_delta(low_rank.save(tmp_path / "whole"), tmp_path / "small").folder
    tensors = dict(load_tensors(small / DELTA))
    change(tensors)
    save_tensors(tensors, tmp_path / "forged")
    forge(small, DELTA, (tmp_path / "forged").read_bytes())
    with pytest.raises(BundleError, match=expected):
        Classifier.load(small)


def test_both_or_neither_of_the_two_is_no_bundle(low_rank: Classifier, tmp_path: Path) -> None:
    whole = low_rank.save(tmp_path / "whole")
    small = write_delta(whole, tmp_path / "small").folder
    assert ADAPTER in json.loads((whole / MANIFEST).read_text())["files"]
    forge(small, ENCODERS, (whole / ENCODERS).read_bytes())
    with pytest.raises(BundleError, match="files - not those of a bundle"):
        Classifier.load(small)
