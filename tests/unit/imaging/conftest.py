"""Make the builders of DICOM files importable; the tests run with --import-mode=importlib."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

SHARED_DATA = TESTS.parent.parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Return ../shared/data, or skip where it is not there."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not there")
    return SHARED_DATA
