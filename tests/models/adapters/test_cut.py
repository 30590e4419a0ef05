"""Both parts of a cut encoder, one after the other, are the encoder bit by bit."""

import open_clip
import pytest
import torch

from adapt.models.adapters.cut import Cut, cut_before
from tests.helpers.tiny import RESNET, VIT, tiny_classifier

FIRST, LAST = "transformer.resblocks.0.mlp.c_fc.weight", "transformer.resblocks.1.ln_1.bias"


@pytest.mark.parametrize("arch", [VIT, "ViT-B-32", "coca_ViT-B-32"])
@torch.inference_mode()
def test_the_parts_give_what_the_whole_gives(arch: str) -> None:
    if arch == VIT:
        encoder = tiny_classifier(VIT).backbone.image_encoder
    else:
        encoder = open_clip.create_model(arch, load_weights=False).visual.eval()
    size = encoder.image_size[0] if isinstance(encoder.image_size, tuple) else encoder.image_size
    pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    blocks = len(encoder.transformer.resblocks)
    whole = encoder(pixels)
    for block in {1, blocks}:
        changed = ["proj"] if block == blocks else [LAST, "proj"]
        cut = cut_before(encoder, changed)
        if arch.startswith("coca"):  # gives its tokens too
            assert cut is None
            continue
        assert cut == Cut(block)
        hidden = cut.before(encoder, pixels)
        assert hidden[0].numel() == cut.size(encoder)
        assert torch.equal(cut.after(encoder, hidden), whole)


def test_where_nothing_is_saved() -> None:
    encoder = tiny_classifier(VIT).backbone.image_encoder
    for changed in ([FIRST], ["conv1.weight", LAST], ["positional_embedding"], ["something.new"]):
        assert cut_before(encoder, changed) is None
    assert cut_before(encoder, ["ln_post.bias", LAST]) == Cut(1)
    assert (
        cut_before(tiny_classifier(RESNET).backbone.image_encoder, ["attnpool.c_proj.bias"]) is None
    )


def test_the_weights_before_a_cut_are_those_it_depends_on() -> None:
    """Exactly the tensors that `cut_before` takes for what comes before."""
    for arch in (VIT, "ViT-B-32"):
        encoder = (
            tiny_classifier(VIT).backbone.image_encoder
            if arch == VIT
            else open_clip.create_model(arch, load_weights=False).visual
        )
        for block in (1, len(encoder.transformer.resblocks)):
            own = Cut(block).weights(encoder)
            for name in encoder.state_dict():
                earlier = cut_before(encoder, [name])
                behind = earlier is not None and earlier.block >= block
                assert (name in own) is not behind, name
