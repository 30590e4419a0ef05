"""The pages about `adapt diff` say what it reads: every quantity, and limits that are limits."""

import re
import shlex
from pathlib import Path

import yaml

from adapt.comparison.limits import QUANTITIES, check_limits, parse_limit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "examples" / "09_gate_in_ci.md").read_text(encoding="utf-8")


def limits(text: str) -> list[str]:
    return re.findall(r'--fail-if "([^"]+)"', text)


def test_every_quantity_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(QUANTITIES)


def test_every_limit_that_is_shown_is_one() -> None:
    shown = limits(PAGE) + limits(EXAMPLE)
    listed = re.findall(r"`([a-z_.]+ [<>]=? -?[\d.]+%?)`", PAGE + EXAMPLE)
    assert len(shown) >= 8
    assert len(listed) >= 8
    for text in shown + listed:
        parse_limit(text)


def test_the_workflow_is_one_that_fails_on_a_worse_model() -> None:
    block = re.search(r"```yaml\n(.*?)```", EXAMPLE, re.DOTALL)
    assert block is not None
    workflow = yaml.safe_load(block[1])
    steps = workflow["jobs"]["gate"]["steps"]
    command = next(step["run"] for step in steps if step.get("id") == "diff")
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:5] == ["adapt", "diff", "model", "new", "photos/test"]
    given = [words[place + 1] for place, word in enumerate(words) if word == "--fail-if"]
    check_limits(list(map(parse_limit, given)), ["test", "sketch"], "")
    assert words[words.index("--markdown") + 1] == "comment.md"
    after = steps[steps.index(next(step for step in steps if step.get("id") == "diff")) + 1 :]
    assert all(step["if"].startswith("always()") for step in after)
