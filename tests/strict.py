"""The gate's rule about skipped tests."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# The gate installs what tests need, so that one which is skipped there is a hole in the gate.
STRICT = "SIAPPAKAI_TEST_STRICT"
# What the gate cannot have: it is named by whoever has it.
_OPTIONAL = ("SIAPPAKAI_TEST_DATA", "SIAPPAKAI_TEST_OPENSID_REPO")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under SIAPPAKAI_TEST_STRICT=1 a skip for a missing part is a failure."""
    report = yield
    if os.environ.get(STRICT) == "1" and report.skipped and not hasattr(report, "wasxfail"):
        _, _, reason = report.longrepr
        if not any(name in reason for name in _OPTIONAL):
            report.outcome = "failed"
            report.longrepr = f"{reason}; {STRICT}=1 lets no test be skipped"
    return report
