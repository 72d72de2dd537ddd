"""Shared by all tests: where the development data lies, and no silent skip in CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread a worker: two workers that each want all cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# One runtime for all: to time them is the business of their own tests.
os.environ.setdefault("FRACTURAX_RUNTIME", "onnxruntime")

import pytest

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared" / "data"
# The builders beside this file: --import-mode=importlib puts nothing on the path.
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real films and scans; tests that use it are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("no shared data here")
    return SHARED


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature FracAtlas of 80 drawn films; read it only, copy it to change it."""
    from tiny_release import write_release

    return write_release(tmp_path_factory.mktemp("release"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which skips CI does not accept."""
    for report in _unaccepted(terminalreporter):
        terminalreporter.write_line(f"skipped in CI: {report.nodeid}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that skipped a test which could have run here."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _unaccepted(reporter) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unaccepted(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    if not os.environ.get("CI"):
        return []
    skipped = reporter.stats.get("skipped", [])
    return [one for one in skipped if SHARED.is_dir() or "no shared data" not in str(one.longrepr)]
