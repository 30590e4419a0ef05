"""The tests mirror the rooms: every module with logic has a test of its name."""

import ast
from pathlib import Path

from tests.contracts.test_floors import PACKAGE, Function, modules

TESTS = Path(__file__).parents[1]
OUTSIDE = ("bench", "contracts", "faults", "helpers", "no_network", "tools")


def has_logic(tree: ast.AST) -> bool:
    """Whether a module computes anything: a function whose body is more than its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            plain = (ast.Pass, ast.Expr)
            if any(not isinstance(line, plain) for line in body):
                return True
    return False


def test_every_module_has_a_test_of_its_name() -> None:
    wanted = [module.path.relative_to(PACKAGE) for module in modules().values()
              if module.path.name != "__init__.py" and has_logic(module.tree)]  # fmt: skip
    missing = [str(path) for path in wanted
               if not (TESTS / path.parent / f"test_{path.name}").is_file()]  # fmt: skip
    assert not missing, "\n".join([f"{len(missing)} of {len(wanted)} have none:", *missing])


def test_every_test_is_about_a_module() -> None:
    """A test file whose module has moved away would be looked for in vain."""
    there = {module.path.relative_to(PACKAGE) for module in modules().values()}
    lost = []
    for file in TESTS.rglob("test_*.py"):
        place = file.relative_to(TESTS)
        if place.parts[0] not in OUTSIDE and len(place.parts) > 1:
            module = place.parent / place.name.removeprefix("test_")
            lost += [str(place)] if module not in there else []
    assert not lost, lost


def test_no_two_classes_bear_one_name() -> None:
    places: dict[str, list[str]] = {}
    for name, module in modules().items():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(name)
    twice = {name: homes for name, homes in places.items() if len(homes) > 1}
    assert not twice, twice
