"""A whole run, read once for all tests of the report."""

import pytest

from adapt.report.record.read import RunRecord, read_run
from tests.helpers.report_fixture import make_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A whole run of four classes and five shifts."""
    return read_run(make_run(tmp_path_factory.mktemp("runs") / "run", 4, 5))
