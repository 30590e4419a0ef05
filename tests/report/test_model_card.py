"""The model card holds the numbers of the run, and nothing that a name could break."""

import json
from pathlib import Path

import pytest
import yaml

from adapt.errors import RecipeError
from adapt.report.model_card import licence_of, model_card
from tests.helpers.report_fixture import make_run

CLASSES = ["cat", "dog", "fox"]
HASH, SPLIT = "ab" * 32, "cd" * 32


def parts(text: str) -> tuple[dict[str, object], str]:
    """Metadata and text."""
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def table_row(body: str, name: str) -> list[str]:
    row = next(line for line in body.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_metadata_and_scores(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    scores = json.loads((folder / "scores.json").read_text())
    shipped = scores.get("shipped", "ensemble")
    prompts = [[f"a {name}.", f"one {name}", "x", "y"] for name in CLASSES]
    front, body = parts(model_card(folder, CLASSES, prompts, HASH, SPLIT))
    assert front["pipeline_tag"] == "image-classification"
    results = front["model-index"][0]["results"]  # type: ignore[index]
    wanted = {name: entry["accuracy"] for name, entry in scores["models"][shipped].items()}
    assert {r["dataset"]["name"]: r["metrics"][0]["value"] for r in results} == {
        name: pytest.approx(wanted[name], abs=1e-4) for name in wanted if name != "val"
    }
    own = scores["models"][shipped]["test"]
    low, high = (100 * bound for bound in own["accuracy_ci"])
    cell = f"{100 * own['accuracy']:.1f} % ({low:.1f} to {high:.1f})"
    assert table_row(body, "test")[-1] == cell
    assert '- **cat**: "a cat.", "one cat", "x", and 1 more\n' in body
    assert HASH in body
    assert SPLIT in body
    assert "{{" not in body


def test_what_ships_is_said_and_what_was_only_trained_is_not(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    prompts = [[f"a {name}."] for name in CLASSES]
    text = model_card(folder, CLASSES, prompts, HASH, SPLIT)
    assert "adapted with the method lora on 48 labelled images" in text
    assert "what ships is the mixed model (alpha 0.4); alpha 0 is zero-shot" in text
    scores = json.loads((folder / "scores.json").read_text())
    scores |= {"shipped": "mixed_probe", "alpha": 0.9}
    scores["models"]["mixed_probe"] = scores["models"]["linear_probe"]
    (folder / "scores.json").write_text(json.dumps(scores))
    text = model_card(folder, CLASSES, prompts, HASH, SPLIT)
    assert "A head on the unchanged encoders of a CLIP" in text
    assert "the mixed probe (alpha 0.9), a linear probe fitted on 48 labelled images" in text
    assert "The method lora was trained too, and is not in this model." in text
    assert "adapted with" not in text


def test_names_cannot_break_it(tmp_path: Path) -> None:
    hostile = ["<script>alert(1)</script>", "a | b\nc", "---\nlicense: mine"]
    folder = make_run(tmp_path / "run")
    scores = json.loads((folder / "scores.json").read_text())
    scores["name"] = "x\n---\n# other <b>"
    (folder / "scores.json").write_text(json.dumps(scores))
    recipe = "name: a\n# ```\n# <i>not code</i>\n"
    (folder / "recipe.yaml").write_text(recipe)
    text = model_card(folder, hostile, [[name] for name in hostile], HASH, SPLIT)
    front, body = parts(text)
    assert front["license"] != "mine"
    assert "<script>" not in body
    assert body.count("```") == 4, "Python and the recipe, each opened and closed"


def test_a_folder_without_scores(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a finished run folder"):
        model_card(tmp_path, ["a"], [["a"]], HASH, SPLIT)


@pytest.mark.parametrize(
    ("tag", "licence"),
    [("openai", "mit"), ("datacomp_xl_s13b_b90k", "mit"), ("embedded", "apache-2.0"), ("x", None)],
)
def test_licences(tag: str, licence: str | None) -> None:
    assert licence_of({"pretrained": tag}) == licence
