"""`README.md` of a repository: the model card that a run wrote, or a short one without."""

from pathlib import Path

from adapt.export.card import CardFacts, short_card
from adapt.export.record import RECORD
from adapt.export.registries.folders import listing_of
from adapt.models.bundle.manifest import CARD, ENCODERS, TEXT_MODEL


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
    base = content["base"] if exported else content
    kind = f"an export to `{content['to']}`" if exported else "a bundle"
    use = [
        f"    adapt pull {repository}@COMMIT -o model\n    adapt predict model photos -o table.csv"
    ]
    if ENCODERS in content["files"] and TEXT_MODEL not in content["files"]:
        use.append(
            "Its features in plain open_clip: "
            f'`open_clip.create_model_and_transforms("hf-hub:{repository}")`.'
        )
    own = CardFacts(kind, content["adapt"], base, content["class_names"])
    return short_card(repository.partition("/")[2], own, use)
