"""Training images that hurt: what a probe gets wrong on held-out images because of them."""

import numpy as np

from adapt.checks.findings.finding import Finding
from adapt.checks.model import FEWEST, STRENGTH, View
from adapt.common.words import plural
from adapt.data.splits.stratified import stratified_folds
from adapt.methods.features.influence import Influence, harm

FOLDS = 5
FRACTION, FEWEST_SHOWN, MOST_SHOWN = 0.01, 10, 50


def influence_findings(view: View) -> list[Finding]:
    """The training images without which the error on held-out images would fall most.

    Held-out images are val where there are enough, and else each fold of the training images in
    turn. See `adapt.methods.features.influence`.

    Args:
        view: With features.

    Returns:
        One finding `hurts` with what each adds to the error in `values`, most harmful first, or
        none.
    """
    assert view.features is not None
    train = np.array(view.rows("train") or range(len(view.places)))
    val = np.array(view.rows("val"))
    targets = view.targets[train]
    if len(train) < FEWEST or len(set(targets.tolist())) < 2:
        return []
    features, classes = view.features[train], len(view.class_names)
    on_val = len(val) >= FEWEST
    if on_val:
        judged = Influence.fit(features, targets, classes, STRENGTH)
        hurts = -judged.on_error(view.features[val], view.targets[val])
    else:
        names = [view.class_names[target] for target in targets]
        groups = view.copies.groups()
        folds = stratified_folds(
            names,
            FOLDS,
            0,
            [groups[row] for row in train],
            [view.pictures[row].sha256 for row in train],
        )
        hurts = harm(features, targets, classes, STRENGTH, folds)
    most = min(MOST_SHOWN, max(FEWEST_SHOWN, int(FRACTION * len(train))))
    worst = [int(row) for row in np.argsort(-hurts, kind="stable")[:most] if hurts[row] > 0]
    if not worst:
        return []
    places = [view.places[train[row]] for row in worst]
    judges = f"{plural(len(val), 'image')} of val" if on_val else "images of other folds"
    first = places[0]
    return [
        Finding(
            kind="hurts",
            level="note",
            message=f"{plural(len(worst), 'training image')} of {len(train)} hurt most on "
            f"{judges}: first {first.path!r}, labelled {first.label!r}",
            fix="look at them: correct wrong labels, and leave out what is unlike the images that "
            "the model will see, with `data.exclude`",
            places=tuple((place,) for place in places),
            values=tuple(float(hurts[row]) for row in worst),
            details={"judged_on": "val" if on_val else "folds", "C": STRENGTH},
        )
    ]
