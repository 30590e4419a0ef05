"""Template sets, and the prompts each class gets from them."""

import open_clip
import pytest

from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError
from adapt.models.templates import class_prompts, resolve_templates, template_sets


def test_sets_say_what_the_sets_of_open_clip_say() -> None:
    sets = template_sets()
    assert set(sets) == {"plain", "simple", "openai"}
    openai = [template("tabby cat") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert [t.replace("{}", "tabby cat") for t in sets["openai"]] == openai
    assert len(set(openai)) == len(openai) == 80
    assert "itap of a {}." in sets["simple"]
    assert set(sets["simple"]) < set(sets["openai"])


def test_names_and_templates_in_any_mix_keep_their_order() -> None:
    mixed = resolve_templates(["{} on a table", "plain", "a {}"])
    assert mixed == ["{} on a table", "a photo of a {}.", "a {}"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["opnai"], "'opnai', did you mean 'openai'? - choose from plain, simple, openai"),
        (["a photo"], "model.templates - neither a set nor a template - 'a photo'"),
        (["{} and {}"], "neither a set nor a template"),
        ([], "model.templates - empty"),
    ],
)
def test_refused(given: list[str], expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve_templates(given)
    assert expected in str(caught.value)


def test_own_prompts_take_the_place_of_templates() -> None:
    names = [
        ClassName("cat", "house cat"),
        ClassName("dog", "dog", ("my {}!", "a puppy")),
        ClassName("odd", "a {b}"),
    ]
    assert class_prompts(names, ["a {}", "{}"]) == [
        ["a house cat", "house cat"],
        ["my dog!", "a puppy"],
        ["a a {b}", "a {b}"],
    ]
