"""CHGNet in batches against the package's own numbers; bonds against pymatgen."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from crystals import perovskite, rock_salt, rutile
from matscale.energy.neighbours import find_angles, find_bonds
from matscale.structures.table import StructureTable

EV_PER_A3_IN_GPA = 160.21766208
"""As the package has it; CODATA 2014."""


def samples() -> list[Structure]:
    """Distorted crystals; the last one has no bond below 3 Å, so no angle."""
    crystals = [
        rock_salt(5.6, "Na", "Cl"),
        perovskite(3.9, "Ti", "Sr", "O"),
        rutile(4.6, 2.96, "Ti", "O") * (2, 1, 1),
        Structure(Lattice.cubic(4.0), ["Cs", "Cs"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    ]
    random = np.random.default_rng(0)
    for crystal in crystals:
        moves = random.normal(0, 0.05, (len(crystal), 3))
        crystal.apply_strain(random.normal(0, 0.02, 3))
        for site, move in enumerate(moves):
            crystal.translate_sites([site], move, frac_coords=False, to_unit_cell=False)
    return crystals


def skewed(seed: int) -> Structure:
    random = np.random.default_rng(seed)
    cell = random.normal(0, 1, (3, 3)) + np.diag([3.0, 4.0, 8.0])
    return Structure(cell, ["C"] * 4, random.uniform(-2, 3, (4, 3)))


@pytest.mark.parametrize("seed", range(8))
def test_bonds_are_those_of_pymatgen(seed):
    structures = [skewed(seed), skewed(seed + 100)]
    table = StructureTable.from_pymatgen(structures)
    bonds = find_bonds(table, 6.0, 3.0)
    assert not bonds.refused
    rows = np.repeat(np.arange(2), table.n_atoms)
    for row, structure in enumerate(structures):
        first, second, _, distances = structure.get_neighbor_list(6.0)
        mine = rows[bonds.first] == row
        ours = np.linalg.norm(bonds.vectors[mine], axis=1)
        np.testing.assert_allclose(np.sort(np.tile(ours, 2)), np.sort(distances), atol=1e-9)
        ends = np.concatenate([bonds.first[mine], bonds.second[mine]]) - table.offsets[row]
        np.testing.assert_array_equal(np.bincount(ends), np.bincount(first))
        assert len(second) == 2 * mine.sum()
    assert (np.linalg.norm(bonds.vectors[: bonds.n_short], axis=1) < 3).all()
    assert (np.linalg.norm(bonds.vectors[bonds.n_short :], axis=1) >= 3).all()


def test_angles_are_all_pairs_of_short_bonds_at_an_atom():
    table = StructureTable.from_pymatgen(samples())
    bonds = find_bonds(table, 6.0, 3.0)
    angles = find_angles(bonds, len(table.numbers))
    ends = np.concatenate([bonds.first[: bonds.n_short], bonds.second[: bonds.n_short]])
    degree = np.bincount(ends, minlength=len(table.numbers))
    assert len(angles.centre) == (degree * (degree - 1) // 2).sum()
    assert (ends[angles.left] == angles.centre).all()
    assert (ends[angles.right] == angles.centre).all()
    pairs = set(map(frozenset, zip(angles.left, angles.right, strict=True)))
    assert len(pairs) == len(angles.centre)
    assert all(len(pair) == 2 for pair in pairs)


def test_crystals_that_no_graph_describes_are_refused():
    alone = Structure(Lattice.cubic(9.0), ["Na"], [[0, 0, 0]])
    collapsed = Structure(Lattice.cubic(1.0), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    table = StructureTable.from_pymatgen([rock_salt(5.6, "Na", "Cl"), alone, collapsed])
    positions = table.positions.copy()
    positions[-1] = np.nan
    bonds = find_bonds(table, 6.0, 3.0)
    assert sorted(bonds.refused) == [1, 2]
    assert "no neighbour" in bonds.refused[1]
    assert "collapsed" in bonds.refused[2]
    broken = StructureTable(table.ids, table.offsets, table.numbers, positions, table.cells)
    assert "finite" in find_bonds(broken, 6.0, 3.0).refused[2]


@pytest.fixture(scope="module")
def package():
    chgnet = pytest.importorskip(
        "chgnet.model", reason="chgnet is not installed: pip install 'matscale[energy]'"
    )
    return chgnet


@pytest.fixture(scope="module")
def potential(package):
    from matscale.energy.potentials import potential

    return potential("chgnet")


def test_energies_forces_and_stresses_are_the_packages(package, potential):
    structures = samples()
    network = package.CHGNet.load(use_device="cpu", verbose=False)
    theirs = [network.predict_structure(structure) for structure in structures]
    table = StructureTable.from_pymatgen(structures)
    ours = potential.evaluate(table)
    energies = [float(answer["e"]) for answer in theirs]
    np.testing.assert_allclose(ours.energies / table.n_atoms, energies, atol=2e-5)
    forces = np.concatenate([answer["f"] for answer in theirs])
    np.testing.assert_allclose(ours.forces, forces, atol=2e-3)
    stresses = np.array([answer["s"] for answer in theirs]) / EV_PER_A3_IN_GPA
    np.testing.assert_allclose(ours.stresses, stresses, atol=5e-5)
    assert not ours.refused


def test_forces_and_stresses_are_slopes_of_the_energy(package):
    from matscale.energy.chgnet_potential import ChgnetPotential

    exact = ChgnetPotential(precision="float64")
    table = StructureTable.from_pymatgen(samples()[1:2])
    here = exact.evaluate(table)

    def energy(strain=0.0, move=0.0):
        deformed = np.eye(3)
        deformed[0, 1] = deformed[1, 0] = strain / 2
        positions = table.positions.copy()
        positions[1, 2] += move
        return exact.evaluate(
            StructureTable(
                table.ids,
                table.offsets,
                table.numbers,
                positions @ deformed,
                table.lattices @ deformed,
            )
        ).energies[0]

    h = 1e-4
    assert here.forces[1, 2] == pytest.approx(-(energy(move=h) - energy(move=-h)) / (2 * h), 1e-4)
    slope = (energy(strain=h) - energy(strain=-h)) / (2 * h) / table.volumes[0]
    assert here.stresses[0, 0, 1] == pytest.approx(slope, rel=1e-3, abs=1e-7)


def test_what_chgnet_cannot_know_is_refused_alone(potential):
    good = rock_salt(5.6, "Na", "Cl")
    heavy = rock_salt(5.6, "Cm", "O")
    alone = Structure(Lattice.cubic(9.0), ["Na"], [[0, 0, 0]])
    table = StructureTable.from_pymatgen([heavy, good, alone])
    answer = potential.evaluate(table)
    assert sorted(answer.refused) == [0, 2]
    assert np.isnan(answer.energies[[0, 2]]).all()
    alone_energy = potential.evaluate(table[1]).energies[0]
    assert answer.energies[1] == pytest.approx(alone_energy, abs=1e-5)


def test_it_relaxes_as_the_package_does(package, potential):
    from matscale.energy.relax import RelaxSettings, relax

    structures = [samples()[0], samples()[3]]
    relaxed = relax(StructureTable.from_pymatgen(structures), potential, RelaxSettings(fmax=0.05))
    assert relaxed.converged.all()
    optimiser = package.StructOptimizer(use_device="cpu")
    for row, structure in enumerate(structures):
        theirs = optimiser.relax(structure, fmax=0.05, verbose=False)
        energy = theirs["trajectory"].energies[-1]
        assert relaxed.energies[row] == pytest.approx(energy, abs=1e-3 * len(structure))
        assert relaxed.steps[row] == pytest.approx(len(theirs["trajectory"]) - 2, abs=3)


def test_it_travels_to_other_processes(potential):
    import pickle

    copy = pickle.loads(pickle.dumps(potential))  # noqa: S301 - our own
    table = StructureTable.from_pymatgen(samples()[:1])
    assert copy.evaluate(table).energies == pytest.approx(potential.evaluate(table).energies)
    assert (copy.name, copy.version) == (potential.name, potential.version)


@pytest.mark.parametrize("name", ["chgnet:9.9", "chgnet:0.2.0"])
def test_unknown_weights_are_named(package, name):
    from matscale.energy.potentials import potential
    from matscale.runtime.errors import UserError

    with pytest.raises(UserError, match=r"it has 0\.3\.0, r2scan"):
        potential(name)
