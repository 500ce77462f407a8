"""What scoring computes by kernels and all at once equals what others compute one by one."""

import time
import tracemalloc
from dataclasses import replace
from itertools import product

import amd
import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from crystals import held_out, training
from matscale.matching.canonical import canonical_cells
from matscale.matching.described import describe
from matscale.matching.kernels.strict import TOO_LARGE
from matscale.matching.kernels.workspace import MAX_SITES
from matscale.metrics import sites, statistics
from matscale.metrics.transport import earth_movers_distance
from matscale.results.measure import Measure, all_measured, measure_of, measured
from matscale.results.metric import error, share
from matscale.runtime.memory import Memory
from matscale.structures import symmetry
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction import recall, rules


@pytest.fixture(scope="module")
def crystals() -> StructureTable:
    """Crystals, supercells of them, some of them rattled, strained or turned."""
    rng = np.random.default_rng(0)
    structures = []
    for plain in (*held_out().iter_pymatgen(), *training().iter_pymatgen()):
        grown = plain.copy()
        grown.make_supercell(np.triu(rng.integers(0, 2, (3, 3)), 1) + np.diag([2, 1, 2]))
        rattled = grown.copy()
        rattled.perturb(0.03, seed=len(structures))
        strained = plain.copy()
        strained.apply_strain(rng.normal(0, 0.01, 3))
        structures += [plain, grown, rattled, strained]
    return StructureTable.from_pymatgen(structures)


def test_canonical_cells_are_pymatgens(crystals):
    table, reasons = canonical_cells(crystals)
    assert set(reasons) == {""}
    for row, structure in enumerate(crystals.iter_pymatgen()):
        expected = structure.get_primitive_structure().get_reduced_structure("niggli")
        assert table.ids[row] == crystals.ids[row]
        assert table.row_numbers(row).tolist() == list(expected.atomic_numbers)
        np.testing.assert_allclose(table.lattices[row], expected.lattice.matrix, atol=1e-10)
        np.testing.assert_allclose(table.row_positions(row), expected.cart_coords, atol=1e-10)


def test_a_cell_without_a_canonical_one_is_named_in_its_place(crystals):
    flat = Structure(np.diag([3.0, 3.0, 0.0]) + 1e-300, ["C"], [[0, 0, 0]])
    parts = [crystals[:1], StructureTable.from_pymatgen([flat], ["flat"]), crystals[1:2]]
    table, reasons = canonical_cells(StructureTable.concatenate(parts))
    assert reasons.tolist() == ["", "no reduced cell", ""]
    assert table.ids.tolist() == ["0", "1"]


def caesium_chloride(cell) -> StructureTable:
    """Two sites in a cell, one row."""
    cell = np.array(cell, float)
    return StructureTable.from_parts(
        ["x"], [np.array([55, 17])], [np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) @ cell], cell[None]
    )


def test_cells_that_would_keep_pymatgen_busy_are_refused_at_once(crystals):
    """Needles (pymatgen's reduction takes gigabytes) and crystals too large to be matched."""
    n = MAX_SITES + 1
    huge = StructureTable.from_parts(
        ["huge"], [np.full(n, 14)], [np.zeros((n, 3))], [50 * np.eye(3)]
    )
    needles = [caesium_chloride(np.diag([a, 4.2, 4.2])) for a in (2e4, 1e6)]
    sheared = caesium_chloride([[2e4, 0, 0], [2e4, 4.2, 0], [2e4, 0, 4.2]])
    skew = caesium_chloride([[4.2, 0, 0], [2e6, 4.2, 0], [0, 2e6, 4.2]])
    parts = [crystals[:1], *needles, sheared, skew, huge, crystals[1:2]]
    start = time.process_time()
    table, reasons = canonical_cells(StructureTable.concatenate(parts))
    assert time.process_time() - start < 90
    long = "cell too long to reduce"
    assert reasons.tolist() == ["", long, long, long, long, "too many sites to compare", ""]
    assert table.ids.tolist() == ["0", "1"]


def test_a_long_description_of_a_short_cell_is_reduced():
    """Cells that only look long, and long ones within the limit."""
    short = [[4.2, 0, 0], [4762 * 4.2, 4.2, 0], [0, 0, 4.2]]
    parts = [caesium_chloride(short), caesium_chloride(np.diag([2e3, 4.2, 4.2]))]
    table, reasons = canonical_cells(StructureTable.concatenate(parts))
    assert reasons.tolist() == ["", ""]
    edges = np.sort(np.linalg.norm(table.lattices, axis=2), axis=1)
    np.testing.assert_allclose(edges, [[4.2, 4.2, 4.2], [4.2, 4.2, 2e3]], rtol=1e-5)


@pytest.mark.parametrize("edges", [(9, 20, 25), (3, 3, 3), (4000, 4.2, 4.2), (400, 400, 4.2)])
def test_neighbours_from_the_tree_are_those_of_the_authors_package(edges):
    rng = np.random.default_rng(1)
    cell = np.diag(edges) + rng.normal(0, 0.3, (3, 3))
    positions = rng.random((270 if edges[0] == 9 else 2, 3)) @ cell
    crystal = amd.PeriodicSet(positions, cell)
    expected = np.asarray(amd.PDD(crystal, 100, lexsort=False, collapse=False))[:, 1:]
    found = sites.neighbour_distances(positions, cell, 100)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_invariants_of_a_large_cell_take_little_memory():
    """The package's arrays would take 700 MB here."""
    cell = 30.0 * np.eye(3)
    positions = np.random.default_rng(2).random((1800, 3)) @ cell
    tracemalloc.start()
    averages, distances = sites.invariants(positions, cell)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8
    assert distances[:, 0].sum() == pytest.approx(1)
    assert averages == pytest.approx(distances[:, 0] @ distances[:, 1:])


def test_invariants_are_those_of_the_authors_package(crystals):
    for row in range(len(crystals)):
        crystal = crystals.row_positions(row), crystals.lattices[row]
        averages, distances = sites.invariants(*crystal)
        expected = amd.PDD(amd.PeriodicSet(*crystal), sites.NEIGHBOURS)
        # Rounding decides the order of rows that begin alike, so rows are compared as a set.
        assert distances.shape == expected.shape
        assert earth_movers_distance(distances, expected) == pytest.approx(0, abs=1e-12)
        mean = amd.AMD(amd.PeriodicSet(*crystal), sites.NEIGHBOURS)
        np.testing.assert_allclose(averages, mean, atol=1e-12)


def test_crystal_systems_are_those_of_the_conventional_standard_structure(crystals):
    found = set()
    for row, structure in enumerate(crystals.iter_pymatgen()):
        standard = SpacegroupAnalyzer(structure, 0.1).get_conventional_standard_structure()
        expected = SpacegroupAnalyzer(standard, 0.1).get_crystal_system()
        crystal = crystals.row_numbers(row), crystals.row_positions(row), crystals.lattices[row]
        assert symmetry.crystal_system(*crystal) == expected
        found.add(expected)
    assert len(found) > 1


def test_the_crystal_system_of_atoms_in_one_place_is_unknown():
    assert symmetry.crystal_system(np.array([6, 6]), np.zeros((2, 3)), np.eye(3)) == "unknown"
    assert symmetry.crystal_system(np.array([6]), np.zeros((1, 3)), np.zeros((3, 3))) == "unknown"


def carbon(count: int, seed: int) -> StructureTable:
    """Cells of 2 to 4 atoms anywhere: many match another one, many do not."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(count):
        n = rng.integers(2, 5)
        lattice = Lattice.from_parameters(*rng.uniform(2, 12, 3), *rng.uniform(70, 110, 3))
        structures.append(Structure(lattice, ["C"] * n, rng.random((n, 3))))
    return StructureTable.from_pymatgen(structures)


def test_recall_is_whether_any_pair_matches(monkeypatch):
    """In chunks that do not divide the targets, and with few pairs held at once."""
    monkeypatch.setattr(recall, "CHUNK", 7)
    monkeypatch.setattr(recall, "MOST", 10)
    memory = Memory(None, "", 1)
    targets = describe(carbon(16, 1), memory, label="")
    predictions = describe(carbon(10, 2), memory, label="")
    found, undecided = recall.recalled(
        targets, np.arange(16), predictions, np.arange(10), memory, label=""
    )
    matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    expected = np.zeros(16, bool)
    for row, other in product(range(16), range(10)):
        pair = predictions.table.to_pymatgen(other), targets.table.to_pymatgen(row)
        expected[row] |= matcher.get_rms_dist(*pair) is not None
    assert found.tolist() == expected.tolist()
    assert 0 < expected.sum() < 16
    assert not undecided.any()


def test_pairs_too_large_to_match_are_noted(monkeypatch):
    def too_large(self, rows_1, rows_2):
        status = np.full(len(rows_1), TOO_LARGE, np.int8)
        return status, np.full((len(rows_1), 6), np.nan), np.empty((0, 256), np.int16)

    monkeypatch.setattr(recall.Engine, "run", too_large)
    memory = Memory(None, "", 1)
    described = describe(held_out(), memory, label="")
    rows = np.arange(len(described.table))
    found, undecided = recall.recalled(described, rows, described, rows, memory, label="")
    assert not found.any()
    assert undecided.all()
    assert rules.undecided_notes("model", 0, 0) == ()
    pairs, recalled = rules.undecided_notes("model", 3, 2)
    assert pairs.startswith("3 predictions of model could not be matched")
    assert "2 targets" in recalled


def test_metrics_measured_together_are_those_measured_apart():
    rng = np.random.default_rng(4)
    values, some = rng.normal(size=90), rng.normal(size=90)
    some[rng.random(90) < 0.4] = np.nan
    hits = (rng.random(90) < 0.3).astype(float)
    mean, hit = error("mean", "mean", "", "Mean."), share("hit", "hit", "Share that is hit.")
    spread = Measure(
        mean, lambda weights: statistics.root_mean_square(values, weights), np.ones(90, bool)
    )
    measures = {
        "mean": measure_of(mean, values),
        "some": measure_of(mean, some),
        "share": measure_of(hit, hits),
        "all": measure_of(hit, np.ones(90)),
        "none": measure_of(mean, np.full(90, np.nan)),
        "rms": spread,
    }
    together = all_measured(measures, seed=3)
    assert list(together) == list(measures)
    for name, measure in measures.items():
        alone = measured(replace(measure, values=None), seed=3)
        assert together[name].n == alone.n
        for field in ("value", "low", "high"):
            one, other = getattr(together[name], field), getattr(alone, field)
            assert one == (other if other is None else pytest.approx(other, rel=1e-12))
