"""Each kernel of the matching engine against the library it reproduces, on synthetic crystals."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core import event
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from scipy.optimize import linear_sum_assignment

from matscale.matching.kernels import algebra, compiling
from matscale.matching.kernels.assignment import FORBIDDEN, assign
from matscale.matching.kernels.bounds import lengths_possible, volume_bounds
from matscale.matching.kernels.lattices import mappings
from matscale.matching.kernels.preparation import _shortest
from matscale.matching.kernels.primitive import reduced
from matscale.matching.kernels.reduction import niggli_cell
from matscale.matching.kernels.workspace import workspace
from matscale.matching.prepare import RANKS

SPACE = workspace(80, 1 << 15)


def lattice(rng):
    """A random, hexagonal, face-centred or skewed cubic lattice."""
    kind = rng.integers(4)
    if kind == 0:
        return Lattice(rng.normal(size=(3, 3)) * 3 + 2 * np.eye(3))
    if kind == 1:
        return Lattice.hexagonal(*rng.uniform(2, 9, 2))
    if kind == 2:
        centred = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        return Lattice(centred * rng.uniform(3, 9))
    return Lattice(
        [[4, 0, 0], [4.0 * rng.integers(-1, 2), 4, 0], [0, 4.0 * rng.integers(-1, 2), 4]]
    )


def usable(cell):
    return cell.volume > 1 and max(cell.abc) < 5 * min(cell.abc)


@pytest.fixture(scope="module")
def lattices():
    rng = np.random.default_rng(0)
    return [cell for cell in (lattice(rng) for _ in range(300)) if usable(cell)]


def test_lll_and_inverse_agree_with_pymatgen_to_the_last_bit_but_one(lattices):
    reduced_cell, change, work = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3, 3))
    ties = np.empty((3, 3))
    for cell in lattices:
        algebra.lll(cell.matrix, reduced_cell, change, work, ties)
        np.testing.assert_allclose(reduced_cell, cell.lll_matrix, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(change, cell.lll_mapping)
        assert algebra.inverse(cell.matrix, work[0], work[1])
        np.testing.assert_allclose(work[1], cell.inv_matrix, rtol=1e-12, atol=1e-14)


def test_a_singular_matrix_has_no_inverse():
    assert not algebra.inverse(np.ones((3, 3)), np.empty((3, 3)), np.empty((3, 3)))


def test_lattice_parameters_and_back_agree_with_pymatgen(lattices):
    found, cell = np.empty(6), np.empty((3, 3))
    for known in lattices:
        algebra.parameters(known.matrix, found)
        np.testing.assert_allclose(found, known.parameters, rtol=1e-13)
        algebra.from_parameters(*known.parameters, cell)
        np.testing.assert_allclose(
            cell, Lattice.from_parameters(*known.parameters).matrix, atol=1e-12
        )


@pytest.mark.parametrize(("ltol", "atol"), [(0.2, 5.0), (0.3, 10.0), (1e-5, 1.0)])
def test_lattice_mappings_are_pymatgens_in_its_order(lattices, ltol, atol):
    limit = 500
    found = np.empty((limit, 3), np.int64)
    work, lengths = np.empty((2, 3, 3)), np.empty(3)
    total = 0
    for base, target in itertools.pairwise(lattices[:81]):
        for other in (target, Lattice(base.matrix * 1.03)):
            known = list(itertools.islice(base.find_all_mappings(other, ltol, atol, True), limit))
            algebra.reciprocal_lengths(base.matrix, work[0], work[1], lengths)
            n = mappings(
                base.matrix, 2 * np.pi / lengths, np.array(other.parameters), ltol, atol, SPACE,
                found,
            )  # fmt: skip
            assert n == len(known)
            for triple, (aligned, _, steps) in zip(found[:n], known, strict=True):
                np.testing.assert_array_equal(SPACE.arrays.steps[triple], steps)
                np.testing.assert_allclose(SPACE.arrays.points[triple], aligned.matrix, atol=1e-12)
            total += n
    assert total > 100


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from(["real", "ties", "sparse"]))
def test_assignment_is_scipys_ties_included(n, seed, kind):
    rng = np.random.default_rng(seed)
    cost = rng.random((n, n)) if kind == "real" else rng.integers(0, 3, (n, n)) / 3.0
    if kind == "sparse":
        cost[rng.random((n, n)) < 0.5] = FORBIDDEN
    found = np.empty(n, np.int64)
    floats, integers, flags = np.empty((3, n)), np.empty((3, n), np.int64), np.empty((2, n), bool)
    possible = assign(cost, n, found, floats, integers, flags, np.array([np.inf, 0.0]))
    _, known = linear_sum_assignment(cost)
    assert possible == (cost[np.arange(n), known].max() < FORBIDDEN)
    if possible:
        np.testing.assert_array_equal(found, known)


def test_niggli_cells_are_pymatgens(lattices):
    cell = np.empty((3, 3))
    for known in lattices:
        assert niggli_cell(known.matrix, SPACE, cell)
        np.testing.assert_allclose(cell, known.get_niggli_reduced_lattice().matrix, atol=1e-9)
        assert _shortest(cell)


def supercells():
    """Supercells of simple crystals, exact and rattled below the tolerance."""
    rng = np.random.default_rng(1)
    simple = (
        Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0] * 3, [0.5] * 3]),
        Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.6), ["C"], [[0] * 3]),
        Structure.from_spacegroup(
            "P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 0.25]]
        ),
        Structure(
            Lattice.cubic(3.9),
            ["Sr", "Ti", "O", "O", "O"],
            [[0] * 3, [0.5] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
        ),
    )
    for structure, matrix in itertools.product(
        simple, ([1, 1, 1], [2, 1, 1], [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    ):
        for rattle in (0.0, 0.02):
            copy = structure.copy()
            copy.make_supercell(matrix)
            copy.perturb(rattle, seed=int(rng.integers(1000))) if rattle else None
            shift = rng.random(3)
            yield Structure(copy.lattice, copy.species, copy.frac_coords + shift)


@pytest.mark.parametrize("to_primitive", [False, True])
def test_reduced_cells_are_pymatgens_site_by_site(to_primitive):
    for structure in supercells():
        known = StructureMatcher._get_reduced_structure(structure, to_primitive)
        cell, frac = structure.lattice.matrix.copy(), structure.frac_coords.copy()
        codes = np.array(structure.atomic_numbers, np.int64)
        n = reduced(cell, frac, codes, len(codes), to_primitive, RANKS, SPACE)
        assert n == len(known)
        np.testing.assert_allclose(cell, known.lattice.matrix, atol=1e-9)
        assert codes[:n].tolist() == list(known.atomic_numbers)
        gap = frac[:n] - known.frac_coords
        np.testing.assert_allclose(gap, np.round(gap), atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(0.2, 5.0), (0.3, 10.0)]))
def test_no_mapping_breaks_the_bounds(seed, tolerances):
    """Each lattice mapping lies within the volume and length bounds that refuse pairs."""
    ltol, atol = tolerances
    rng = np.random.default_rng(seed)
    base = lattice(rng)
    target = Lattice(base.matrix @ (np.eye(3) + rng.normal(size=(3, 3)) * 0.1))
    if not (usable(base) and usable(target)):
        return
    bounds = np.empty(2)
    volume_bounds(np.array(target.parameters), ltol, atol, np.empty((3, 3)), bounds)
    minima = np.sort(base.get_niggli_reduced_lattice().abc)
    for aligned, _, _ in itertools.islice(base.find_all_mappings(target, ltol, atol, True), 200):
        assert bounds[0] <= aligned.volume <= bounds[1]
        assert lengths_possible(minima, np.array(target.parameters), ltol, 1.0)


def test_kernels_do_without_reference_counts():
    """``_nrt`` is numba's own switch; without it the kernels are several times slower."""
    assert algebra.determinant.whole.targetoptions.get("_nrt") is False


def test_a_first_run_says_on_a_terminal_that_it_compiles(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with event.install_listener("numba:compile", compiling.Attendant()):
        for constant in (1, 2):
            njit(lambda x, constant=constant: x + constant)(1)
    assert capsys.readouterr().err.count("compiling, once on this machine") == 1
