"""`README.md` of a repository: the model card that a run wrote, or a short one where there is none.

https://huggingface.co/docs/hub/model-cards
"""

from pathlib import Path

from adapt.common.words import plural
from adapt.export.record import RECORD
from adapt.export.registries.folders import listing_of
from adapt.models.bundle.manifest import CARD, ENCODERS, TEXT_MODEL

FRONT = """---
library_name: open_clip
pipeline_tag: image-classification
tags:
- clip
- open_clip
- adapt-clip
---
"""
SHOWN = 50
"""Classes that are named."""


def card_of(folder: Path, repository: str) -> str:
    """The card of a model.

    Args:
        folder: A bundle or an export.
        repository: `owner/name`, for the commands in a short card.
    """
    content = listing_of(folder)
    if CARD in content["files"]:
        return (folder / CARD).read_text(encoding="utf-8")
    exported = (folder / RECORD).is_file()
    origin = content["base"] if exported else content
    names = [_one_line(name) for name in content["class_names"]]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    kind = f"an export to `{content['to']}`" if exported else "a bundle"
    lines = [
        f"# {repository.partition('/')[2]}",
        f"A CLIP ({_code(origin['arch'])}, weights {_code(origin['pretrained'])}) that tells "
        f"{plural(len(names), 'class')} apart, as {kind} of adapt "
        f"{_code(content['adapt'])}. SHA-256 of the base weights: `{origin['base_hash']}`.",
        f"    adapt pull {repository}@COMMIT -o model\n    adapt predict model photos -o table.csv",
    ]
    if ENCODERS in content["files"] and TEXT_MODEL not in content["files"]:
        lines.append(
            "Its features in plain open_clip: "
            f'`open_clip.create_model_and_transforms("hf-hub:{repository}")`.'
        )
    lines += ["Classes:", "\n".join(f"    {name}" for name in names[:SHOWN] + more)]
    return FRONT + "\n" + "\n\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _code(text: str) -> str:
    return f"`{_one_line(text).replace('`', '')}`"
