"""A file in the package is enough; names come once, known ones first."""

import sys
from pathlib import Path

import pytest

from adapt.errors import RecipeError


def test_modules_are_found_and_ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fruit_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(
        "from adapt.common.registry import Registry\n"
        "FRUIT = Registry('fruit', __package__, first=('pear', 'quince'))\n"
    )
    for name in ("apple", "pear"):
        text = f"from fruit_of_a_test.base import FRUIT\nFRUIT.register('{name}', len('{name}'))\n"
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from fruit_of_a_test.base import FRUIT  # type: ignore[import-not-found]

    assert FRUIT.table() == {"pear": 4, "apple": 5}
    assert list(FRUIT.table()) == ["pear", "apple"]
    (package / "banana.py").write_text(
        "from fruit_of_a_test.base import FRUIT\nFRUIT.register('banana', 6)\n"
    )
    sys.path_importer_cache.clear()
    assert list(FRUIT.table()) == ["pear", "apple", "banana"], "found while the process runs"
    with pytest.raises(RecipeError, match="fruit apple - registered twice - fruit_of_a_test"):
        FRUIT.register("apple", 1)
