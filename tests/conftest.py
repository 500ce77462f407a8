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


@pytest.fixture(scope="session")
def particles():
    """Particles of ten of the diverse crystals."""
    from particle_tasks import small_set

    return small_set("diverse", [0, 3, 5, 8, 11, 14, 20, 30, 40, 50])


@pytest.fixture(scope="session")
def hydrides():
    """Particles of five hydride perovskites."""
    from particle_tasks import small_set

    return small_set("perov-h3", 5)
