"""Checks of structures: atoms too close as by trying every image, a verdict each, and quickly."""

import time

import numpy as np
import pytest

from matscale.structures import checks
from matscale.structures.table import StructureTable


def nearest_of_all(cell, positions, reach=13):
    """Smallest distance between any two atoms or images, by trying every image."""
    shifts = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3), -1).reshape(-1, 3)
    fractions = np.linalg.solve(cell.T, positions.T).T
    fractions -= np.floor(fractions)
    arrows = (fractions[None, :, None] - fractions[:, None, None] + shifts) @ cell
    distances = np.linalg.norm(arrows, axis=-1)
    own = np.arange(len(positions))
    distances[own, own, np.flatnonzero((shifts == 0).all(axis=1))[0]] = np.inf
    return distances.min()


@pytest.mark.parametrize("grid_from", [0, 256])
def test_close_atoms_are_found_as_by_trying_every_image(monkeypatch, grid_from):
    monkeypatch.setattr(checks, "GRID_FROM", grid_from)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(120):
        cell = rng.normal(size=(3, 3)) * rng.choice([0.05, 0.1, 0.3, 1, 3], size=(3, 1))
        positions = rng.uniform(-2, 2, size=(rng.integers(1, 6), 3)) @ cell
        if 1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max() < 0.012:
            continue
        table = StructureTable.from_parts(
            ["x"], [np.full(len(positions), 6)], [positions], cell[None]
        )
        too_close = nearest_of_all(cell, positions) < 0.1
        assert (checks.verdicts(table).codes[0] == checks.TOO_CLOSE) == too_close
        seen.add(bool(too_close))
    assert seen == {True, False}


def test_checks_give_each_structure_its_own_verdict():
    cube = np.eye(3) * 4
    parts = [
        ([6], [[0, 0, 0]], cube, checks.FINE),
        ([], np.empty((0, 3)), cube, checks.NO_ATOMS),
        ([0], [[0, 0, 0]], cube, checks.UNKNOWN_ELEMENT),
        ([119], [[0, 0, 0]], cube, checks.UNKNOWN_ELEMENT),
        ([6], [[0, np.nan, 0]], cube, checks.NOT_FINITE),
        ([6], [[0, 0, 0]], np.full((3, 3), np.inf), checks.NOT_FINITE),
        ([6], [[0, 1e300, 0]], cube, checks.NOT_FINITE),
        ([6], [[0, 0, 0]], cube * [1, 1, 0], checks.DEGENERATE),
        ([6], [[0, 0, 0]], cube * [1, 1, 0.002], checks.DEGENERATE),
        ([6], [[0, 0, 0]], cube * [1, 1, 0.02], checks.TOO_CLOSE),
        ([6], [[0, 0, 0]], cube * [1, 1, 0.03], checks.FINE),
        ([6, 6], [[0, 0, 0], [3.95, 4, 8]], cube, checks.TOO_CLOSE),
        ([6, 6], [[0, 0, 0], [3.85, 4, 8]], cube, checks.FINE),
        ([6, 8], [[0, 0, 0], [2, 2, 2]], -cube, checks.FINE),
    ]
    table = StructureTable.from_parts(
        [str(index) for index in range(len(parts))],
        [np.array(numbers, np.uint8) for numbers, *_ in parts],
        [np.array(positions, float) for _, positions, *_ in parts],
        [cell for _, _, cell, _ in parts],
    )
    found = checks.verdicts(table)
    assert found.codes.tolist() == [code for *_, code in parts]
    assert "0 and 1" in found.detail(11)
    assert found.values[11] == pytest.approx(0.05)


def test_many_atoms_are_checked_quickly():
    rng = np.random.default_rng(0)
    side = 60
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3) * 2.0
    for cell, positions in (
        (np.eye(3) * 2 * side, grid + rng.uniform(-0.5, 0.5, grid.shape)),
        (np.diag([1e6, 1e6, 1e6]), grid),
        (np.diag([2.0 * len(grid), 3, 3]), np.outer(np.arange(len(grid)) * 2.0, [1, 0, 0])),
    ):
        table = StructureTable.from_parts(["x"], [np.full(len(grid), 6)], [positions], cell[None])
        start = time.process_time()
        assert checks.verdicts(table).codes[0] == checks.FINE
        assert time.process_time() - start < 60
