"""Spheres cut from crystals, against brute force over supercells, pymatgen, ASE and counts."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from crystals import perovskite, wurtzite
from matscale.runtime.errors import UserError
from matscale.structures.carving import TOLERANCE, carve, carve_sphere, centre_of_words
from matscale.structures.formats import read
from matscale.structures.table import StructureTable


def by_brute_force(numbers, positions, cell, radius, point):
    """All atoms of a supercell that surely holds the sphere, asked one by one."""
    thickness = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    fractions = positions @ np.linalg.inv(cell)
    reach = np.ceil(radius / thickness + np.abs(fractions).max() + 2).astype(int)
    shift = np.floor(point @ np.linalg.inv(cell)).astype(int)
    ranges = [
        range(middle - size, middle + size + 1) for size, middle in zip(reach, shift, strict=True)
    ]
    found = []
    for number, site in zip(numbers, positions, strict=True):
        images = np.array(list(itertools.product(*ranges))) @ cell + site - point
        inside = images[np.linalg.norm(images, axis=1) <= radius + TOLERANCE]
        found += [(int(number), *row) for row in inside]
    return found


def in_order(numbers, positions):
    """Rows (number, x, y, z) in an order that rounding does not change."""
    rows = np.column_stack([numbers, positions])
    keys = np.round(rows, 5) + 0.0
    return rows[np.lexsort(keys.T[::-1])]


def assert_same_atoms(particle, expected):
    numbers, positions = particle
    assert len(numbers) == len(expected)
    if len(expected):
        expected = np.array(expected)
        ours, theirs = in_order(numbers, positions), in_order(expected[:, 0], expected[:, 1:])
        assert np.abs(ours - theirs).max() < 1e-9


@st.composite
def cells(draw):
    """Lattice vectors of any shape, skewed by whole vectors so that they are far from reduced."""
    seed = draw(st.integers(0, 10**6))
    generator = np.random.default_rng(seed)
    cell = np.diag(generator.uniform(2.5, 7, 3)) + generator.uniform(-1, 1, (3, 3))
    skew = np.eye(3, dtype=int)
    skew[np.triu_indices(3, 1)] = generator.integers(-2, 3, 3)
    return skew @ cell, generator


@given(cells(), st.sampled_from(["origin", "centroid", 0, "point"]), st.floats(0.5, 9))
@settings(max_examples=60, deadline=None)
def test_any_cell_gives_what_brute_force_gives(drawn, centre, radius):
    cell, generator = drawn
    numbers = np.array([11, 17, 8])
    positions = generator.uniform(-1, 2, (3, 3)) @ cell
    given_centre = generator.uniform(-9, 9, 3) if centre == "point" else centre
    point = {"origin": np.zeros(3), "centroid": positions.mean(axis=0), 0: positions[0]}.get(
        centre, given_centre
    )
    expected = by_brute_force(numbers, positions, cell, radius, point)
    assert_same_atoms(carve_sphere(numbers, positions, cell, radius, given_centre), expected)


@pytest.mark.parametrize("radius, points", [(1, 7), (2, 33), (3, 123), (4, 257), (5, 515)])
def test_atoms_on_the_sphere_are_all_inside(radius, points):
    """Points of the cubic lattice within whole radii: OEIS A000605; some are on the sphere."""
    generator = np.random.default_rng(radius)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    for cell in (np.eye(3), turn, 4.1 * turn):
        size = np.linalg.norm(cell[0])
        numbers, positions = carve_sphere([29], np.zeros((1, 3)), cell, size * radius)
        assert len(numbers) == points
        assert np.linalg.norm(positions, axis=1).max() == pytest.approx(size * radius)


def test_the_sites_order_is_kept_and_no_atom_is_there_twice():
    structure = perovskite(3.905, "Sr", "Ti", "O")
    table = carve(StructureTable.from_pymatgen([structure], ["SrTiO3"]), 12.0)
    assert table.cells is None and table.ids.tolist() == ["SrTiO3"]
    assert table.columns["radius"].tolist() == [12.0]
    firsts = [number for number, _ in itertools.groupby(table.numbers.tolist())]
    assert firsts == [38, 22, 8]
    from scipy.spatial.distance import pdist

    assert pdist(table.positions).min() == pytest.approx(3.905 / 2)


def test_real_crystals_as_pymatgen_and_ase_cut_them(data_dir):
    table = read(data_dir / "crystals" / "mp_2474.cif.zip").table
    small = np.flatnonzero(table.n_atoms <= 24)
    table = table[small[:: len(small) // 40]]
    for row, structure in enumerate(table.iter_pymatgen()):
        for centre in (0, "centroid"):
            point = structure.cart_coords[0] if centre == 0 else structure.cart_coords.mean(axis=0)
            sites = structure.get_sites_in_sphere(point, 7.3)
            expected = [(site.specie.Z, *(site.coords - point)) for site in sites]
            particle = carve_sphere(
                table.row_numbers(row), table.row_positions(row), table.cells[row], 7.3, centre
            )
            assert_same_atoms(particle, expected)
        counted = atoms_in_ase_supercell(table.to_ase(row), 6.1)
        assert len(carve(table[row], 6.1).numbers) == counted


def atoms_in_ase_supercell(atoms, radius):
    """Atoms around the middle of a repeated cell, whose corner is an image of the origin."""
    thickness = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    atoms.wrap()
    times = 2 * np.ceil(radius / thickness + 1).astype(int)
    large = atoms.repeat(times)
    distances = np.linalg.norm(large.positions - (times // 2) @ atoms.cell.array, axis=1)
    assert np.abs(distances - radius).min() > 1e-5, "an atom too near to the sphere to compare"
    return int((distances < radius).sum())


def test_a_skewed_description_gives_the_same_particle():
    structure = wurtzite(3.25, 5.21, "Zn", "O")
    skewed = structure.copy()
    skewed.make_supercell([[1, 4, 0], [0, 1, 7], [0, 0, 1]])
    particles = [
        carve_sphere(
            np.array(one.atomic_numbers), one.cart_coords, one.lattice.matrix, 15.0, centre
        )
        for one, centre in ((structure, "origin"), (skewed, "origin"))
    ]
    expected = np.column_stack(particles[1])
    assert_same_atoms(particles[0], expected.tolist())


def test_one_radius_a_crystal():
    cubes = [Structure(Lattice.cubic(3), ["Cu"], [[0, 0, 0]])] * 2
    table = carve(StructureTable.from_pymatgen(cubes), [3.0, 6.0])
    assert table.n_atoms.tolist() == [7, 33]


@pytest.mark.parametrize(
    "radius, centre, cell, words",
    [
        (0.0, "origin", np.eye(3), "radius 0"),
        (float("nan"), "origin", np.eye(3), "radius nan"),
        (5.0, "middle", np.eye(3), "no centre 'middle'"),
        (5.0, 1, np.eye(3), "no atom 1"),
        (5.0, [0.0, np.inf, 0.0], np.eye(3), "three numbers"),
        (5.0, "origin", np.diag([1.0, 1.0, 0.0]), "without volume"),
        (1e4, "origin", np.eye(3), "over 50000000 atoms"),
    ],
)
def test_what_cannot_be_cut_is_said(radius, centre, cell, words):
    with pytest.raises(UserError, match=words):
        carve_sphere(np.array([6]), np.zeros((1, 3)), cell, radius, centre)


def test_centres_in_words():
    assert [centre_of_words(text) for text in ("origin", "centroid", "12")] == [
        "origin",
        "centroid",
        12,
    ]
    with pytest.raises(UserError, match="no centre '-1'"):
        centre_of_words("-1")
