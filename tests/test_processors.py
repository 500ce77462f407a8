"""The same answers on other processors: the deciding parts under other libraries' arithmetic."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "bench" / "processors.py"


def compared(part: str, *environments: str) -> tuple[int, str]:
    """Exit code and table of the comparison with the first environment."""
    command = [sys.executable, SCRIPT, "--parts", part, "--environments", *environments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the environments are of x86-64")
def test_the_environments_do_add_otherwise():
    code, table = compared("digits", "oldest")
    assert code == 1 and "differences" in table


def test_decisions_are_the_same_under_other_instructions():
    """BLAS, numpy and the C library without what processors have gained since 2008."""
    code, table = compared("decisions", "skylakex", "oldest", "threads-1")
    assert code == 0, table
    assert table.count("identical") >= 2


def test_kernels_are_the_same_compiled_for_any_processor():
    code, table = compared("kernels", "numba-generic")
    assert code == 0, table
    assert table.count("identical") == 1
