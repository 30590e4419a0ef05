"""One file for one thing: a throw-away one of each kind is added and used; no other is touched.

A figure of the report is added in `tests/report/test_sections.py`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from adapt.cli.app import app
from adapt.common.discovery import import_siblings
from adapt.common.ranges import one_of
from adapt.data.shifts.tools import SHIFTS
from adapt.data.sources import base as sources
from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.rules.base import RULES, rule_names
from adapt.ensembling.settings import Ensemble
from adapt.ensembling.wise_ft import rule_table
from adapt.errors import RecipeError
from adapt.evaluation.evaluate import metrics, softmax
from adapt.evaluation.metrics.base import METRICS
from adapt.explore.suggest.strategies.base import STRATEGIES, choose
from adapt.export.base import FORMATS
from adapt.export.load import load as load_model
from adapt.export.write import export
from adapt.methods import base as methods
from adapt.methods.auto.method import Auto
from adapt.predictions.inputs.base import INPUTS
from adapt.predictions.outputs.base import TABLES
from adapt.recipe.data import build_data
from adapt.recipe.load import load
from tests.helpers.pools import random_pool
from tests.helpers.predicted import predicted
from tests.helpers.support_problem import ALL, problem
from tests.helpers.tiny import tiny_classifier

RECIPE = """
name: x
model: {arch: a, pretrained: b}
method: {name: zero_shot}
data: {train: SOURCE, val: {fraction: 0.5}}
evals:
  test: SOURCE
  dark: {of: test, shift: SHIFT, severity: 5}
"""
METHOD = '''
"""A method of another package."""

from dataclasses import dataclass

from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.models.heads import linear_head


@register("elsewhere")
@dataclass
class Elsewhere(HeadMethod):
    """A head from another package."""

    strength: float = 2.0
    views: int = 1

    def head(self, support):
        return linear_head(self.strength * support.zero_shot)
'''
SOURCE = '''
"""Images listed in a text file."""

from dataclasses import dataclass
from pathlib import Path

from adapt.common.typed import FILE, path_to
from adapt.data.sources.base import Source, source
from adapt.data.sources.image_list import ImageList


@source("list")
@dataclass
class ListSource(Source):
    """Paths in a text file, one per line; the folder is the class."""

    path: str = path_to(FILE, needed=True)

    def read(self, classes, default_split):
        root = Path(self.path).parent
        names = Path(self.path).read_text().split()
        labels = [name.split("/")[0] for name in names]
        return ImageList([str(root / name) for name in names], labels, None, None, str(root), {})
'''
SHIFT = '''
"""Little light."""

import numpy as np

from adapt.data.shifts.tools import shift


@shift("dark")
def dark(image, severity, generator):
    """Nearly no light."""
    return image * np.float32(0.5**severity)
'''

RULE = '''
"""The largest alpha there is."""

from adapt.ensembling.rules.base import rule


@rule("boldest")
def boldest(evidence):
    """Take the largest alpha."""
    return max(evidence.accuracy)
'''
METRIC = '''
"""How far the true class is from certain."""

import numpy as np

from adapt.evaluation.metrics.base import metric, of_true_class


@metric("doubt")
def doubt(logs, targets):
    """One minus the probability of the true class."""
    return 1 - np.exp(of_true_class(logs, targets))
'''
FORMAT = '''
"""A model that stays in memory."""

from adapt.export.answers import answers_of
from adapt.export.base import FORMATS, Format


def write(classifier, folder):
    """A file that says so."""
    (folder / "whole.txt").write_text("kept in memory")
    KEPT.append(classifier)


def read(folder, record):
    """The model itself."""
    return lambda images: answers_of(KEPT[0], list(images))


KEPT = []
FORMATS.register("memory", Format("a model that stays in memory", write, read))
'''


STRATEGY = '''
"""The first images of the pool."""

from adapt.explore.suggest.strategies.base import Pick, strategy


@strategy("in_order")
def in_order(pool, budget):
    """The first images, in the order of the pool."""
    return [Pick(row, "its turn") for row in range(budget)]
'''


INPUT = '''
"""Paths in a text file, one in a line."""

from pathlib import Path

from adapt.predictions.inputs.base import INPUTS, InputKind, Item


def takes(source):
    return source.endswith(".paths")


def read(reading):
    yield from map(Item.at, Path(reading.source).read_text().split())


INPUTS.register("paths", InputKind("a list in a file", takes, read))
'''
TABLE = '''
"""Labels alone, one in a line."""

from contextlib import contextmanager

from adapt.predictions.outputs.base import TABLES


@contextmanager
def write(part, columns):
    with part.open("w") as file:
        yield lambda row: file.write(f"{row['label']}\\n")


TABLES.register("labels", write)
'''


@pytest.fixture
def added(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a file can stand as if it stood in a package; it is forgotten again."""
    folder = tmp_path / "added"
    folder.mkdir()
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def in_package(monkeypatch: pytest.MonkeyPatch, package: str, folder: Path) -> None:
    """A package that has one more folder: what is walked to find its modules."""
    module = __import__(package, fromlist=["__path__"])
    monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe beside four images of two classes, and a list of them."""
    for name in ("cat/1", "cat/2", "dog/1", "dog/2"):
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True, parents=True)
        shade = 100 + 10 * len(list(tmp_path.rglob("*.png")))
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / "images" / f"{name}.png")
    lines = "cat/1.png\ncat/2.png\ndog/1.png\ndog/2.png\n"
    (tmp_path / "images" / "list.txt").write_text(lines)
    return tmp_path / "recipe.yaml"


@pytest.mark.slow
def test_a_method_of_another_package(added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the entry point `adapt.methods`: in recipes, in `auto` and in `adapt list`."""
    monkeypatch.setattr(methods, "_TABLE", methods.schemas())
    (added / "elsewhere_package.py").write_text(METHOD)
    info = added / "elsewhere_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[adapt.methods]\nelsewhere = elsewhere_package\n")
    monkeypatch.syspath_prepend(added)  # as if it had just been installed
    loaded = load("quickstart", ["method={name: elsewhere, strength: 3}"])
    assert type(loaded.method).__module__ == "elsewhere_package"
    assert loaded.method.strength == 3
    ranking = Auto(["elsewhere", "gda"]).rank(problem(ALL))
    assert {method.name for method in ranking.methods} == {"elsewhere", "gda", "zero_shot"}
    assert "elsewhere" in [method.name for method in Auto().rank(problem(ALL)).methods]
    assert "A head from another package." in CliRunner().invoke(app, ["list", "methods"]).output


def test_a_source_kind(recipe: Path, added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_KINDS", sources.source_kinds())
    (added / "text_list.py").write_text(SOURCE)
    in_package(monkeypatch, "adapt.data.sources", added)
    listed = f"{{kind: list, path: {recipe.parent}/images/list.txt}}"
    recipe.write_text(RECIPE.replace("SHIFT", "fog").replace("SOURCE", listed))
    loaded = load(recipe)
    assert type(loaded.recipe.data.train).__name__ == "ListSource"
    data = build_data(loaded.recipe)
    assert data.evals["test"].counts() == {"cat": 2, "dog": 2}
    assert data.fit.train.counts() == {"cat": 1, "dog": 1}
    recipe.write_text(recipe.read_text().replace("path:", "root:"))
    with pytest.raises(RecipeError, match=r"data\.train\.root - does not go with kind list"):
        load(recipe)


def test_a_shift(recipe: Path, added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHIFTS, "dark", SHIFTS["fog"])  # undone after the test
    del SHIFTS["dark"]
    (added / "darkness.py").write_text(SHIFT)
    in_package(monkeypatch, "adapt.data.shifts", added)
    import_siblings("adapt.data.shifts.shift")  # what happens where the shifts are first imported
    photos = f"{{kind: folder, root: {recipe.parent}/images}}"
    recipe.write_text(RECIPE.replace("SHIFT", "dark").replace("SOURCE", photos))
    evals = build_data(load(recipe).recipe).evals
    clean, dark = (np.asarray(evals[name].open(0)) for name in ("test", "dark"))
    assert dark.max() == round(clean.max() / 32)
    assert "Nearly no light" in CliRunner().invoke(app, ["list", "shifts"]).output


def test_a_rule_for_alpha(added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RULES, "_things", RULES.table())
    (added / "boldest.py").write_text(RULE)
    in_package(monkeypatch, "adapt.ensembling.rules", added)
    held = HeldOut(np.array([0, 1]), {0.0: np.eye(2), 1.0: np.eye(2)[::-1]})
    assert "boldest" in rule_names()
    # A file that is there when the package is imported is among the choices from the start.
    monkeypatch.setitem(Ensemble.ranges, "rule", one_of(rule_names()))
    assert load("quickstart", ["ensemble.rule=boldest"]).recipe.ensemble.rule == "boldest"
    assert choose_alpha(held.evidence(), "boldest") == 1.0
    assert rule_table(held)["boldest"]["alpha"] == 1.0
    with pytest.raises(ValueError, match="boldest, fixed"):
        Ensemble(rule="shyest")


def test_a_metric(added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_things", METRICS.table())
    (added / "doubt.py").write_text(METRIC)
    in_package(monkeypatch, "adapt.evaluation.metrics", added)
    logits, targets = np.random.default_rng(0).normal(size=(120, 3)), np.arange(120) % 3
    scores = metrics(logits, targets)
    expected = 1 - softmax(logits)[np.arange(120), targets].mean()
    assert scores["doubt"] == pytest.approx(expected)
    low, high = scores["doubt_ci"]
    assert low < expected < high
    assert {"accuracy", "ece_ci", "brier_ci"} <= scores.keys()


def test_a_format(added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FORMATS, "_things", dict(FORMATS.table()))
    (added / "memory_format.py").write_text(FORMAT)
    in_package(monkeypatch, "adapt.export.formats", added)
    assert "a model that stays in memory" in CliRunner().invoke(app, ["list", "formats"]).output
    model = tiny_classifier()
    loaded = load_model(export(model, added.parent / "out", "memory"))
    images = [Image.new("RGB", (20, 30), (shade, 0, 90)) for shade in (0, 120, 250)]
    assert [x.label for x in loaded.predict(images)] == [x.label for x in model.predict(images)]


def test_a_strategy(added: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STRATEGIES, "_things", dict(STRATEGIES.table()))
    (added / "in_order.py").write_text(STRATEGY)
    in_package(monkeypatch, "adapt.explore.suggest.strategies", added)
    assert [pick.row for pick in choose(random_pool(9), 3, "in_order")] == [0, 1, 2]
    assert "in the order of the pool" in CliRunner().invoke(app, ["list", "strategies"]).output


def test_a_source_and_a_format_of_predictions(
    added: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for registry, package, text in ((INPUTS, "inputs", INPUT), (TABLES, "outputs", TABLE)):
        monkeypatch.setattr(registry, "_things", dict(registry.table()))
        (added / package).mkdir()
        (added / package / f"new_{package}.py").write_text(text)
        in_package(monkeypatch, f"adapt.predictions.{package}", added / package)
    model, paths = tiny_classifier(), [str(tmp_path / f"{shade}.png") for shade in (0, 120, 250)]
    for path in paths:
        Image.new("RGB", (20, 30), (int(Path(path).stem), 0, 90)).save(path)
    (tmp_path / "my.paths").write_text("\n".join(paths))
    predicted(model, tmp_path / "my.paths", tmp_path / "out.labels")
    labels = [str(answer.label) for answer in model.predict(paths)]
    assert (tmp_path / "out.labels").read_text().split() == labels
