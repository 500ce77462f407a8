"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

# Their asserts say what differed, as those of tests do.
pytest.register_assert_rewrite("format_samples", "hostile_samples")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, which is no part of the repository."""
    folder = os.environ.get("MATSCALE_DATA")
    if not folder:
        pytest.skip("MATSCALE_DATA is not set; it names the folder of real data")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"MATSCALE_DATA is {folder!r}, which is no folder")
    return path
