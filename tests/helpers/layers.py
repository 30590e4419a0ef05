"""In which layer of a tiny encoder each parameter is."""

import re

from tests.helpers.tiny import RESNET, TIMM, VIT
from tests.helpers.training import ENCODER

LAYERS: dict[str, tuple[int, list[tuple[str, int]]]] = {
    VIT: (
        3,
        [
            (r"(conv1|class_embedding|positional_embedding|ln_pre)", 0),
            (r"transformer\.resblocks\.0\.", 1),
            (r"transformer\.resblocks\.1\.", 2),
            (r"(ln_post|proj)", 3),
        ],
    ),
    RESNET: (
        5,
        [
            (r"(conv|bn)[123]\.", 0),
            *((rf"layer{block}\.", block) for block in (1, 2, 3, 4)),
            (r"attnpool\.", 5),
        ],
    ),
    TIMM: (
        7,
        [
            (r"trunk\.(cls_token|pos_embed|patch_embed)", 0),
            *((rf"trunk\.blocks\.{block}\.", block + 1) for block in range(6)),
            (r"(trunk\.norm|trunk\.fc_norm|head)", 7),
        ],
    ),
}


def depth(arch: str, name: str) -> int:
    top, table = LAYERS[arch]
    if not name.startswith(ENCODER):
        return top
    (found,) = {value for pattern, value in table if re.match(pattern, name.removeprefix(ENCODER))}
    return found
