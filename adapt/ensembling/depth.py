"""Less of the change where an encoder is shallow (LiNeS, arXiv:2410.17146)."""

from adapt.ensembling.line import check_fraction
from adapt.ensembling.weights.lines import block_fractions, lines
from adapt.models.classifier import Classifier
from adapt.models.weight_files import plain_names
from adapt.training.parameters import MODEL, block_numbers, in_encoder


def scale_by_depth(start: Classifier, tuned: Classifier, shallow: float) -> Classifier:
    """The tuned model with less of the change of its shallow layers (LiNeS, arXiv:2410.17146).

    In each encoder the change of a block is multiplied by a factor that rises linearly from
    `shallow` for the first block to 1 for the last. As in the authors' code everything outside the
    blocks, also the projection behind them, has the smallest factor; the head, which is no part of
    their task vector, keeps all of its change.

    Args:
        start: What `tuned` was tuned from.
        tuned: Not changed.
        shallow: Factor of the first block, 0 to 1; 1 gives the tuned model back bit for bit.

    Raises:
        RecipeError: When `shallow` is not from 0 to 1.
        WeightsError: When the two do not share names or shapes.
    """
    check_fraction("shallow", shallow)
    before, after = plain_names(start.state_dict()), plain_names(tuned.state_dict())
    fractions = {name: 0.0 if name.startswith(MODEL) else 1.0 for name in before}
    for encoder in ("image", "text"):
        names = [name for name in before if in_encoder(name, encoder)]
        fractions |= block_fractions(names, block_numbers(names))
    scaled = tuned.clone()
    scaled.load_state_dict(lines(before, after, fractions, shallow, 1.0))
    scaled.low_rank = None
    if shallow != 1 and start.head_from_text and tuned.head_from_text:
        scaled.rebuild_head()
    return scaled
