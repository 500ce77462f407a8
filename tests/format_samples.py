"""Crystals that tests write in every format, and how what is read is held against them."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

import matscale.structures.formats as formats

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]
)
QUARTZ = Structure.from_spacegroup(
    "P3_221",
    Lattice.hexagonal(4.913, 5.405),
    ["Si", "O"],
    [[0.4697, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
)
SKEWED = Structure(Lattice.from_parameters(3.1, 4.7, 9.3, 72, 101, 115), ["Li", "Fe", "O"],
                   [[0.01, 0.2, 0.3], [0.47, 0.88, 0.61], [0.999, 0.5, 0.12]])  # fmt: skip
STRUCTURES = {"rock-salt": ROCK_SALT, "quartz": QUARTZ, "skewed": SKEWED}


def assert_same_crystal(table, row, expected, *, turned=False, ordered=True):
    """Lattice, species and sites of one row equal those of a pymatgen structure."""
    if turned:
        found = Lattice(table.cells[row]).parameters
        assert found == pytest.approx(expected.lattice.parameters, abs=1e-8)
    else:
        np.testing.assert_allclose(table.cells[row], expected.lattice.matrix, atol=1e-9)
    assert table.row_numbers(row).tolist() == list(expected.atomic_numbers)
    fractions = np.linalg.solve(table.cells[row].T, table.row_positions(row).T).T
    if not ordered:
        gaps = fractions[:, None] - expected.frac_coords
        same = (np.abs(gaps - np.round(gaps)) < 1e-9).all(axis=2)
        same &= table.row_numbers(row)[:, None] == np.array(expected.atomic_numbers)
        assert (same.sum(axis=0) == 1).all()
        assert (same.sum(axis=1) == 1).all()
        return
    gap = fractions - expected.frac_coords
    np.testing.assert_allclose(gap - np.round(gap), 0, atol=1e-9)


def one(path, **options):
    reading = formats.read(path, **options)
    assert not reading.refusals
    assert len(reading.table) == 1
    return reading.table


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
