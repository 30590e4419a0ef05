"""What `scores.json` holds: everything of a run that does not depend on the clock."""

from typing import Any

from adapt.checks.quick import QuickCheck
from adapt.recipe.data import RunData, fold_count
from adapt.recipe.load import Loaded
from adapt.runs.measures.classes import lost_most
from adapt.runs.measures.references import output_references
from adapt.runs.measures.scores import (
    Outputs,
    data_card,
    id_eval,
    leak_free_scores,
    score_outputs,
)
from adapt.runs.selection import Choice


def summary(
    loaded: Loaded, data: RunData, quick: QuickCheck, outputs: Outputs, choice: Choice
) -> dict[str, Any]:
    """Settings, choices and scores of a run.

    Args:
        loaded: The recipe.
        data: Images and notes.
        quick: What was found in the images.
        outputs: Logits of every model.
        choice: What was chosen on held-out images.
    """
    recipe = loaded.recipe
    ensembled, folds = recipe.ensemble.kind != "none", fold_count(recipe, data.fit)
    return {
        "format": 1,
        "recipe": loaded.recipe_name,
        "method": recipe.method["name"],
        "model": {"arch": recipe.model.arch, "pretrained": recipe.model.pretrained},
        "seed": recipe.seed,
        "classes": outputs.class_names,
        "shipped": outputs.shipped,
        "ship": choice.to_dict(recipe.ship, folds),
        "alpha": choice.shipped.alpha,
        "selected_on": "val" if ensembled else None,
        "alpha_rule": recipe.ensemble.rule if ensembled else None,
        "guard": choice.shipped.guard.to_dict(),
        "temperature": choice.shipped.temperature,
        "data": {**data_card(data, outputs), "folds": folds},
        "quarantined": [{"path": q.path, "reason": q.reason} for q in data.quarantined],
        "notes": data.notes,
        "models": score_outputs(outputs, data),
        "references": output_references(outputs, choice.mixed.held) if ensembled else {},
        "leak_free": leak_free_scores(outputs, quick.leaked),
        "lost_most": {
            split: lost_most(outputs, split)
            for split in ("val", id_eval(data))
            if split in outputs.targets
        },
    }
