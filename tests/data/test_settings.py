"""Hold-outs whose settings do not fit together."""

from typing import Any

import pytest

from adapt.data.settings import Holdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "dates"}, "by - not known, did you mean 'date'? - 'dates' - choose one"),
        ({"by": "date"}, "column - missing - nothing - by date needs it"),
        ({"by": "split"}, "value - missing - nothing - by split needs it"),
        ({"by": "stored"}, "file - missing - nothing - by stored needs it"),
        ({"by": "stored", "file": ""}, "file - empty - '' - give a value or remove the key"),
        ({"by": "split", "value": "train"}, "value - val would be train - 'train' - name the rows"),
        ({"by": "date", "column": "x", "seed": 0},
         "seed - does not go with by date - 0 - remove it; by date takes column, fraction"),
        ({"by": "date", "column": "x", "folds": 3}, "folds - does not go with by date - 3"),
        ({"column": "x"}, "column - does not go with a split at random - 'x' - remove it; a split "
         "at random takes fraction, folds, seed"),
        ({"allow_changes": True}, "allow_changes - does not go with a split at random - True"),
    ],
)  # fmt: skip
def test_holdouts_that_do_not_fit(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Holdout(**given)
    assert str(caught.value).startswith(said)
