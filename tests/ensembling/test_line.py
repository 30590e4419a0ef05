"""Models on the line between two others, against plain computations."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import Line, mix, same_encoders
from adapt.errors import RecipeError, WeightsError
from adapt.evaluation.evaluate import Split
from adapt.models.adapters.lora import ADAPTER, LoraAdapter, LoraSettings
from adapt.models.classifier import Classifier
from adapt.training.features import pixels as pixels_module
from adapt.training.features.encode import predict_logits
from adapt.training.settings import Runtime
from tests.helpers.tiny import (
    CLASSES,
    RESNET,
    VIT,
    bit_equal,
    moved,
    tiny_classifier,
    weights,
)
from tests.helpers.tuned import new_head

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=8)


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, RESNET])
def test_mix_against_numpy(arch: str) -> None:
    start = tiny_classifier(arch)
    tuned = moved(start)
    before = weights(start), weights(tuned)
    found = weights(mix(start, tuned, 0.3))
    for name, value in found.items():
        a, b = before[0][name].double().numpy(), before[1][name].double().numpy()
        expected = 0.7 * a + 0.3 * b if value.is_floating_point() else a
        np.testing.assert_allclose(value.double().numpy(), expected, rtol=1e-7, atol=1e-9)
    assert bit_equal(weights(mix(start, tuned, 0)), before[0])
    assert bit_equal(weights(mix(start, tuned, 1)), before[1])
    assert bit_equal(weights(start), before[0])
    assert bit_equal(weights(tuned), before[1])


def test_a_mix_shares_no_tensor(start: Classifier) -> None:
    tuned = moved(start)
    own = {v.data_ptr() for model in (start, tuned) for v in model.state_dict().values()}
    for alpha in (0, 0.5, 1):
        mixed = mix(start, tuned, alpha)
        assert not own & {v.data_ptr() for v in mixed.state_dict().values()}


@pytest.mark.numerical
def test_heads_from_text_are_made_anew(start: Classifier) -> None:
    tuned = moved(start)
    tuned.head_from_text = True
    tuned.rebuild_head()
    mixed = mix(start, tuned, 0.5)
    again = mixed.clone().rebuild_head()
    assert torch.equal(mixed.head.weight, again.head.weight)
    assert mixed.head_from_text
    average = (start.head.weight + tuned.head.weight) / 2
    assert (mixed.head.weight - average).abs().max() > 1e-3, "not the average of the heads"
    tuned.head_from_text = False
    torch.testing.assert_close(mix(start, tuned, 0.5).head.weight, average)


def test_models_that_do_not_fit(start: Classifier) -> None:
    turned = tiny_classifier(names=CLASSES[::-1])
    with pytest.raises(WeightsError, match="class names - differ - 'blue_square' and 'red_circle'"):
        mix(start, turned, 0.5)
    more = tiny_classifier(names=[*CLASSES, "star"])
    with pytest.raises(WeightsError, match="class names - differ - their number"):
        mix(start, more, 0.5)
    with pytest.raises(WeightsError, match="only in one of the models"):
        mix(start, tiny_classifier(RESNET), 0.5)


@pytest.mark.numerical
@pytest.mark.parametrize("kind", [new_head, moved])
def test_curve_equals_each_model_on_its_own(
    kind: Callable[[Classifier], Classifier], start: Classifier, splits: dict[str, ImageList]
) -> None:
    tuned = kind(start)
    assert same_encoders(start, tuned) is (kind is new_head)
    ready = {n: Split.read(n, images, start, RUNTIME) for n, images in splits.items()}
    line = Line(start, tuned, RUNTIME)
    assert line.only_heads is (kind is new_head)
    for alpha in (0.0, 0.25, 1.0, 0.25):
        mixed = mix(start, tuned, alpha)
        for split in ready.values():
            slow = np.concatenate([
                mixed(start.backbone.preprocessing(split.images.open(i))[None]).detach().numpy()
                for i in range(len(split.images))
            ])  # fmt: skip
            np.testing.assert_allclose(line.logits(alpha, [split])[0], slow, atol=2e-5)


@pytest.mark.parametrize("arch", [VIT, RESNET])
@pytest.mark.parametrize("from_text", [False, True])
def test_the_working_copy_is_the_mix_bit_by_bit(arch: str, from_text: bool) -> None:
    start = tiny_classifier(arch)
    tuned = moved(start)
    tuned.head_from_text = from_text
    before = weights(start), weights(tuned)
    line = Line(start, tuned, RUNTIME)
    for alpha in (0.3, 0.0, 0.7, 1.0, 0.3):
        assert bit_equal(weights(line.at(alpha)), weights(mix(start, tuned, alpha)))
    assert bit_equal(weights(start), before[0])
    assert bit_equal(weights(tuned), before[1])


@pytest.mark.parametrize("arch", [VIT, RESNET])
def test_lines_of_one_start_take_turns_on_one_copy(
    arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is at its own mix, bit for bit, and nothing of the others is left."""
    start = tiny_classifier(arch)
    other = start.clone()  # differs in little, and in what the first leaves alone
    with torch.no_grad():
        other.backbone.model.visual.conv1.weight.add_(0.1)
        other.backbone.model.logit_scale.add_(0.5)
    headed = new_head(start)
    ends = [moved(start), other, headed]
    ends[0].head_from_text = False
    before = [weights(end) for end in (start, *ends)]
    lines, clones = [Line(start, end, RUNTIME) for end in ends], []
    real = Classifier.clone
    monkeypatch.setattr(Classifier, "clone", lambda own: (clones.append(1), real(own))[1])
    for alpha in (0.3, 0.0, 1.0, 0.3):
        for number, line in enumerate(lines):
            model = line.at(alpha)
            counted = len(clones)
            expected = mix(start, ends[number], alpha)
            del clones[counted:]
            assert bit_equal(weights(model), weights(expected))
            assert model.head_from_text == ends[number].head_from_text
            lines[(number + 1) % len(lines)].take_over(line)
            line.take_over(line)
    assert clones == [1]
    assert all(
        bit_equal(weights(end), own) for end, own in zip((start, *ends), before, strict=True)
    )


def test_no_text_is_encoded_where_no_text_changed(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head that the text encoder would give is the head of the start, bit for bit."""
    tuned = start.clone()
    with torch.no_grad():
        tuned.backbone.model.visual.proj.add_(0.1)
    rebuilt = start.clone().rebuild_head()
    assert torch.equal(rebuilt.head.weight, start.head.weight)
    monkeypatch.setattr(type(start.backbone), "encode_text", lambda *_: pytest.fail("encoded"))
    split = Split.read("val", splits["val"], start, RUNTIME)
    Line(start, tuned, RUNTIME).logits(0.5, [split])
    assert torch.equal(mix(start, tuned, 0.5).head.weight, start.head.weight)
    with torch.no_grad():
        tuned.backbone.model.logit_scale.add_(0.1)
    with pytest.raises(pytest.fail.Exception):
        mix(start, tuned, 0.5)


@pytest.mark.numerical
def test_heads_of_other_prompts_are_those_of_the_mix(
    start: Classifier, splits: dict[str, ImageList]
) -> None:
    """Equal encoders with heads from different texts: what is judged is what would ship."""
    tuned = start.clone()
    tuned.prompts = [[f"a drawing of {own[0]}"] for own in start.prompts]
    tuned.rebuild_head()
    line, split = Line(start, tuned, RUNTIME), Split.read("val", splits["val"], start, RUNTIME)
    assert line.only_heads
    for alpha in (0.0, 0.5, 1.0):
        expected = predict_logits(mix(start, tuned, alpha), split.pixels, RUNTIME)
        np.testing.assert_allclose(line.logits(alpha, [split])[0], expected, atol=2e-5)


@pytest.mark.numerical
def test_what_lies_before_the_first_change_is_computed_once(
    start: Classifier, splits: dict[str, ImageList], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, counts = start.clone(), {"first": 0, "second": 0}
    with torch.no_grad():
        for name, parameter in tuned.backbone.model.visual.named_parameters():
            if name.startswith(("transformer.resblocks.1", "proj")):
                parameter.add_(0.05 * torch.randn(parameter.shape))
    line = Line(start, tuned, RUNTIME)
    for place, name in enumerate(counts):
        block = line.at(0.5).backbone.model.visual.transformer.resblocks[place]
        block.register_forward_hook(
            lambda *_, name=name: counts.__setitem__(name, counts[name] + 1)
        )
    split = Split.read("val", splits["val"], start, RUNTIME)
    batches = -(-len(split.targets) // RUNTIME.batch_size)
    for alpha in (0.5, 0.7, 1.0):
        (logits,) = line.logits(alpha, [split])
        mixed = mix(start, tuned, alpha)
        np.testing.assert_array_equal(logits, predict_logits(mixed, split.pixels, RUNTIME))
    assert counts == {"first": batches, "second": 3 * batches}
    monkeypatch.setattr(pixels_module.BUDGET, "left", 0)
    other = Line(start, tuned, RUNTIME)  # without room the whole encoder is run
    np.testing.assert_array_equal(other.logits(1.0, [split])[0], logits)


@pytest.mark.numerical
@pytest.mark.parametrize("kind", [new_head, moved])
def test_splits_that_share_batches(
    kind: Callable[[Classifier], Classifier], start: Classifier, splits: dict[str, ImageList]
) -> None:
    line = Line(start, kind(start), RUNTIME)
    ready = [Split.read(n, images, start, RUNTIME) for n, images in splits.items()]
    for alpha in (0.0, 0.5):
        together = line.logits(alpha, [*ready, ready[0].subset(np.array([2, 0]))])
        alone = [line.logits(alpha, [split])[0] for split in ready]
        for one, other in zip(together, [*alone, alone[0][[2, 0]]], strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)
    assert line.logits(0.5, []) == []


@pytest.mark.numerical
@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_lora_at_alpha_is_the_base_plus_a_share_of_the_delta(
    alpha: float, start: Classifier
) -> None:
    adapter = LoraAdapter(
        start, LoraSettings(2, 4.0, False, 0.0, ["q", "v", "o", "mlp"], "image", [])
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapter.classifier.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    model = adapter.classifier.backbone.model
    deltas = {n: model.get_submodule(n).get_delta_weight(ADAPTER) for n in adapter.names}
    mixed = mix(start, adapter.merged(), alpha).backbone.model.state_dict()
    base = start.backbone.model.state_dict()
    block = "visual.transformer.resblocks.0"
    q, v = (deltas[f"{block}.attn.{part}"].double() for part in "qv")
    expected = base[f"{block}.attn.in_proj_weight"].double()
    expected[:32] += alpha * q
    expected[64:] += alpha * v
    found = mixed[f"{block}.attn.in_proj_weight"].double()
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)
    for layer in ("attn.o", "mlp.c_fc"):
        name = f"{block}.{layer.replace('.o', '.out_proj')}.weight"
        wanted = base[name].double() + alpha * deltas[f"{block}.{layer}"].double()
        torch.testing.assert_close(mixed[name].double(), wanted, atol=1e-7, rtol=0)
    assert torch.equal(mixed["visual.proj"], base["visual.proj"])


@pytest.mark.parametrize("alpha", [-0.1, 1.0001, float("nan"), float("inf"), "0.5", None])
def test_alphas_that_are_none(alpha: object, start: Classifier) -> None:
    with pytest.raises(RecipeError, match="alpha - out of range"):
        mix(start, start, alpha)  # type: ignore[arg-type]


def test_beyond_the_ends_only_when_asked(start: Classifier) -> None:
    tuned = moved(start)
    beyond = weights(mix(start, tuned, 1.5, extrapolate=True))["backbone.model.visual.proj"]
    first, last = (weights(model)["backbone.model.visual.proj"] for model in (start, tuned))
    torch.testing.assert_close(beyond, 1.5 * last - 0.5 * first)
    with pytest.raises(RecipeError, match="alpha - out of range - nan"):
        mix(start, tuned, float("nan"), extrapolate=True)


def test_a_compiled_model_is_mixed_like_the_plain_one(start: Classifier) -> None:
    tuned = moved(start)
    expected = weights(mix(start, tuned, 0.3))
    compiled = tuned.clone()
    compiled.backbone.model.visual = torch.compile(compiled.backbone.model.visual)
    assert bit_equal(expected, weights(mix(start, compiled, 0.3)))
    assert not same_encoders(start, compiled)
