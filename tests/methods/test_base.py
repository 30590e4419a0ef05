"""The table of methods: found in the folders and in other packages, loaded when asked for."""

import sys
from pathlib import Path

import pytest

import adapt
from adapt.errors import RecipeError
from adapt.methods import base
from tests.helpers.tiny import run_python

METHOD = '''
from dataclasses import dataclass
from adapt.methods import register

@register("{name}")
@dataclass
class Stranger:
    """A method from elsewhere."""

{rest}
'''


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of methods as it is before and after a test."""
    monkeypatch.setattr(base, "_TABLE", base.schemas())


def install(folder: Path, name: str, module: str, code: str) -> None:
    """A package with an entry point, as pip would leave it."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[adapt.methods]\n{name} = {module}\n")


@pytest.mark.usefixtures("table")
def test_a_method_of_another_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "far", "far_package", METHOD.format(name="far", rest=""))
    monkeypatch.syspath_prepend(tmp_path)
    assert "far_package" not in sys.modules
    assert adapt.method("far") == base.get("far")()
    assert base.schemas()["far"].__module__ == "far_package"


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("name", "registered", "rest", "problem"),
    [
        ("broken", "broken", "import no_such_module", "No module named 'no_such_module'"),
        ("absent", "other", "", "absent_package registers no method 'absent'"),
        ("gda", "gda", "", "method gda - registered twice - adapt.methods.heads.gda has it"),
    ],
)
def test_a_method_that_does_not_load_is_said(
    name: str,
    registered: str,
    rest: str,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warning when all are listed, an error when it is asked for; nothing of it is kept."""
    package, before = f"{name}_package", dict(base.schemas())
    install(tmp_path, name, package, METHOD.format(name=registered, rest=rest))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match=f"method {name} of the package {package} - not loaded"):
        assert base.schemas() == before
    if name not in before:
        with pytest.raises(RecipeError, match=problem):
            base.get(name)


def test_an_unknown_method_gets_a_hint() -> None:
    with pytest.raises(RecipeError, match="'lra', did you mean 'lora'\\? - adapt list methods"):
        base.get("lra")


@pytest.mark.slow
def test_a_head_on_features_loads_neither_lightning_nor_peft(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
import adapt.methods
assert "torch" not in sys.modules
from adapt import FewShotClassifier
model = FewShotClassifier.from_features(np.eye(2)).fit(np.eye(2), ["a", "b"])
print(*model.predict(np.eye(2)))
print(*{"pytorch_lightning", "lightning", "lightning_fabric", "peft"} & set(sys.modules))
print("adapt.methods.encoders" in sys.modules)
"""
    assert run_python(code, tmp_path).split("\n")[:3] == ["a b", "", "False"]
