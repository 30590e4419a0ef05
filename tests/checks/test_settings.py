"""The defaults of a check are those of its function."""

import inspect

from adapt.checks.check import check
from adapt.checks.settings import CheckSettings


def test_the_command_and_the_function_have_the_same_defaults() -> None:
    defaults = inspect.signature(check).parameters
    settings = CheckSettings()
    assert defaults["model"].default == settings.model
    assert defaults["pretrained"].default == settings.pretrained
    assert defaults["influence"].default is settings.influence
