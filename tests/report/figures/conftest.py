"""Figures are drawn in the style of the report."""

from collections.abc import Iterator

import pytest

from adapt.report.figures.style import house_style


@pytest.fixture(scope="module", autouse=True)
def style() -> Iterator[None]:
    """Draw as the report does."""
    with house_style():
        yield
