"""Recipes: every mistake is listed, nothing is run or guessed, and what loads dumps back equal."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapt.errors import RecipeError
from adapt.recipe.load import Loaded
from adapt.recipe.load import load as read_recipe
from adapt.recipe.schema import expand_evals
from adapt.recipe.text import dump_yaml
from adapt.training.settings import Optim
from tests.helpers.recipe_cases import GOOD, MALFORMED, swap


@dataclass
class Lora:
    """Stands in for a method with its own defaults of a shared section."""

    rank: int = 8
    targets: list[str] = field(default_factory=lambda: ["q", "v"])
    dropout: float | None = None
    optim: Optim = field(default_factory=lambda: Optim(lr=5e-4, epochs=20))

    def __post_init__(self) -> None:
        """Check as the real methods do: the first mistake only."""
        if self.rank < 1:
            raise ValueError(f"rank - out of range - {self.rank} - give 1 or more")
        if not set(self.targets) <= set("qkvo"):
            raise ValueError(f"targets - not known - {self.targets} - choose from q, k, v, o")


@dataclass
class ZeroShot:
    """Stands in for a method without settings."""


SCHEMAS = {"lora": Lora, "zero_shot": ZeroShot}


def load(text: str | bytes, *overrides: str) -> Loaded:
    """Load a recipe from its text, in the current folder."""
    path = Path("recipe.yaml")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_recipe(path, overrides, SCHEMAS)


def mistakes(text: str | bytes, *overrides: str) -> list[str]:
    """The sentences of the one error a bad recipe raises."""
    with pytest.raises(RecipeError) as caught:
        load(text, *overrides)
    first, *lines = str(caught.value).splitlines()
    assert first == f"recipe.yaml: {len(lines)} problem{'s' * (len(lines) > 1)}"
    assert all(line.count(" - ") >= 3 for line in lines), "path - what - given - what to do"
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("text", "sentences"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED]
)
def test_lists_every_mistake(here: Path, text: str | bytes, sentences: list[str]) -> None:
    found = mistakes(text)
    for sentence in sentences:
        assert any(line.startswith(sentence) for line in found), (sentence, found)
    assert len(found) == len(sentences), found
    assert not (here / "pwned").exists()


def test_good_recipe(here: Path) -> None:
    loaded = load(GOOD)
    recipe = loaded.recipe
    assert loaded.method == Lora(rank=4, optim=Optim(lr=5e-4, epochs=3)), "own defaults are kept"
    assert recipe.data.train.shots == 16
    assert recipe.model.templates == ["simple"]
    assert (recipe.runtime.workers, recipe.runtime.precision) == ("2", "32")
    assert [(e.name, e.of, e.shift, e.severity) for e in expand_evals(recipe)] == [
        ("test", None, None, None),
        ("blur_1", "test", "gaussian_blur", 1),
        ("blur_3", "test", "gaussian_blur", 3),
        ("blur_5", "test", "gaussian_blur", 5),
        ("jpeg", "test", "jpeg", 2),
    ]


def test_zero_shot_may_have_a_curve_and_sources_of_all_kinds(here: Path) -> None:
    loaded = load(
        "name: z\nmodel: {arch: a, pretrained: b}\nmethod: {name: zero_shot}\n"
        "data:\n  train: {kind: table, path: labels.csv}\n"
        "  val: {kind: embedded, name: pictograms, domain: outline, split: test}\n"
    )
    assert loaded.recipe.ensemble.kind == "wise_ft"
    assert loaded.resolved["data"]["val"] == {
        "kind": "embedded", "split": "test", "name": "pictograms", "domain": "outline",
    }  # fmt: skip


def test_defaults_of_unset_sections(here: Path) -> None:
    resolved = load(GOOD).resolved
    assert resolved["data"]["val"] == {"from": "train", "fraction": 0.2}
    assert resolved["data"]["train"] == {"kind": "folder", "root": "photos", "shots": 16}
    assert next(iter(resolved["method"])) == "name"
    assert "???" not in yaml.safe_dump(resolved)


def test_overrides_are_typed_by_yaml(here: Path) -> None:
    recipe = load(
        GOOD, "seed=3", "model.templates=[plain, 'a=b {}']", "method.optim.lr=1e-3", "seed=4",
        "data.val.from=train", "evals.more={kind: folder, root: photos}", "runtime.workers=0",
        "evals.jpeg.severity=[1, 2]", "model.pretrained=runs/a=b.safetensors",
    )  # fmt: skip
    assert recipe.recipe.seed == 4
    assert recipe.recipe.model.templates == ["plain", "a=b {}"]
    assert recipe.recipe.model.pretrained == "runs/a=b.safetensors"
    assert recipe.method.optim == Optim(lr=1e-3, epochs=3)
    assert [e.name for e in expand_evals(recipe.recipe)][-3:] == ["jpeg_1", "jpeg_2", "more"]


def test_a_method_is_its_name_or_a_section_with_a_name(here: Path) -> None:
    written = swap("{name: lora, rank: 4, optim: {epochs: 3}}", "lora")
    assert load(written) == load(written, "method={name: lora}")
    assert load(GOOD, "method=zero_shot").method == ZeroShot()
    loaded = load(GOOD, "method=zero_shot", "method=lora", "method.rank=2")
    assert loaded.method == Lora(rank=2), "settings of the section before it are gone"
    (sentence,) = mistakes(GOOD, "method=lorra")
    assert sentence.startswith("method.name - not a method, did you mean 'lora'? - given 'lorra'")


def test_override_replaces_a_mistake_of_the_file(here: Path) -> None:
    assert load(swap("photos", "???"), "data.train.root=photos").recipe.data.train.root == "photos"
    text = swap("{name: lora, rank: 4, optim: {epochs: 3}}", "{name: lora, rnk: 4, rnk: 5}")
    assert load(text, "method={name: zero_shot}").method == ZeroShot()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "data.train.rot=x",
            "data.train.rot - unknown key, did you mean 'root'? - given 'x' (comm",
        ),
        ("dta.train=x", "dta - unknown key, did you mean 'data'? - given {'train': 'x'} (command"),
        ("seed", "command line - not an override - given 'seed' - write key.path=value"),
        ("=3", "command line - not an override - given '=3' - write key.path=value"),
        ("a..b=3", "command line - not an override - given 'a..b=3' - write key.path=value"),
        ("seed='3'", "seed - wrong type - given '3' (command line) - give a whole number"),
        ("seed=", "seed - wrong type - given null (command line) - give a whole number"),
        ("seed.x=1", "seed.x - cannot be set - given 'seed.x=1' - seed is not a section; give all"),
        ("report.formats=[html", "report.formats - not YAML - given expected ',' or ']'"),
        ("model.arch=${oc.env:HOME}", "model.arch - refused - given '${oc.env:HOME}' (command lin"),
        ("method._target_=os.system", "method._target_ - refused - given 'os.system' (command"),
        ("seed=!!python/name:os.system", "seed - refused - given the tag !!python/name:os.system"),
        ("data.train.root=nowhere", "data.train.root - no such folder - given 'nowhere' (command"),
        ("ensemble.select=blur", "ensemble.select - evals are test data, and nothing may be"),
    ],
)
def test_bad_overrides(here: Path, override: str, sentence: str) -> None:
    found = mistakes(GOOD, override)
    assert len(found) == 1, found
    assert found[0].startswith(sentence)


def test_override_mistakes_are_listed_with_those_of_the_file(here: Path) -> None:
    found = mistakes(swap("seed: 0", "sed: 0"), "x", "method.rank=0")
    assert len(found) == 3


@pytest.mark.numerical
def test_round_trip(here: Path) -> None:
    first = load(GOOD)
    second = load(first.text())
    assert second == first
    assert second.text() == first.text()


words = st.text(min_size=1, max_size=20).filter(
    lambda text: text.strip() and "${" not in text and text != "???"
)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
optims = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.floats(1e-12, 10, allow_nan=False),
        "epochs": st.integers(1, 10**6),
        "schedule": st.sampled_from(["cosine", "constant"]),
        "checkpointing": st.booleans(),
    },
)
recipes = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"x[A-Za-z0-9_-]{0,20}", fullmatch=True),
        "model": st.fixed_dictionaries(
            {"arch": words, "pretrained": words},
            optional={
                "templates": st.lists(
                    words.map(lambda text: text.translate(dict.fromkeys(map(ord, "{}"))) + " {}"),
                    min_size=1,
                    max_size=3,
                )
            },
        ),
        "data": st.fixed_dictionaries(
            {"train": st.just({"kind": "embedded", "name": "a", "domain": "b"})},
            optional={
                "val": st.fixed_dictionaries({"fraction": st.floats(0.01, 0.99)}),
                "quarantine_limit": st.floats(0, 1),
            },
        ),
        "method": st.fixed_dictionaries(
            {"name": st.just("lora")},
            optional={
                "rank": st.integers(1, 64),
                "dropout": st.none() | st.floats(0, 1),
                "targets": st.lists(st.sampled_from("qkvo")),
                "optim": optims,
            },
        ),
    },
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "evals": st.dictionaries(
            names.map(lambda name: f"e_{name}"),
            words.map(lambda word: {"kind": "embedded", "name": word, "domain": word}),
            max_size=3,
        ),
        "report": st.fixed_dictionaries({"formats": st.sampled_from([["html"], ["md"], []])}),
    },
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=recipes)
def test_dump_then_load_is_identity(here: Path, data: dict[str, Any]) -> None:
    first = load(dump_yaml(data))
    second = load(first.text())
    assert second == first
    for key in ("name", "model", "seed", "evals"):
        if key in data and key != "model":
            assert first.resolved[key] == data[key]
    assert first.recipe.model.pretrained == data["model"]["pretrained"]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, len(GOOD)), cut=st.integers(0, 12), text=st.text(max_size=6))
def test_damaged_text_loads_or_is_refused(here: Path, place: int, cut: int, text: str) -> None:
    try:
        load(GOOD[:place] + text + GOOD[place + cut :])
    except RecipeError:
        return


def test_recipe_does_not_import_torch() -> None:
    code = "import sys, adapt.recipe.load; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
