"""The material sets that come with matscale, and the harder particles."""

from dataclasses import replace

import numpy as np
import pytest
import spglib
from ase.data import atomic_masses

from matscale.datasets.particles import (
    MATERIAL_SETS,
    build_particles,
    material_set,
)
from matscale.datasets.particles.build import kinds
from matscale.datasets.particles.hard import TRACKS, harder, relaxed, sample_seed
from matscale.datasets.particles.hydrides import HYDRIDE_RADIUS, chosen, hydride_perovskites
from matscale.datasets.particles.literature import measured_materials
from matscale.datasets.particles.prototypes import prototype_crystals, spread_over_symmetry
from matscale.matching.batch import MatchSettings, group
from matscale.runtime.errors import Refused, UserError
from matscale.structures.symmetry import SYSTEMS
from particle_samples import a_few_materials

SMALL = MATERIAL_SETS.keys()


@pytest.fixture(scope="module")
def few():
    return build_particles(a_few_materials(), name="few")


# --- hard tracks -------------------------------------------------------------------------------


def test_thermal_moves_are_normal_of_the_level(few):
    from scipy.stats import kstest

    numbers, positions = few.particle("SrTiO3", 20)
    for level in TRACKS["thermal"].levels:
        moved = harder("thermal", level, numbers, positions, 3)[1] - positions
        assert kstest(moved.ravel() / level, "norm").pvalue > 1e-3


def test_vacancies_take_the_share_and_keep_the_order(few):
    numbers, positions = few.particle("SrTiO3", 20)
    for level in TRACKS["vacancies"].levels:
        kept, places = harder("vacancies", level, numbers, positions, 3)
        assert len(kept) == len(numbers) - round(level * len(numbers))
        rows = [np.flatnonzero((positions == place).all(axis=1)).item() for place in places]
        assert rows == sorted(set(rows)) and kept.tolist() == numbers[rows].tolist()


def test_a_hidden_species_is_hidden_whole(few):
    numbers, positions = few.particle("SrTiO3", 10)
    hidden = set()
    for seed in range(20):
        kept, places = harder("hidden_species", 1, numbers, positions, seed)
        gone = set(numbers.tolist()) - set(kept.tolist())
        assert len(gone) == 1 and len(kept) == (numbers != next(iter(gone))).sum() == len(places)
        hidden |= gone
    assert hidden == {38, 22, 8}
    with pytest.raises(Refused, match="nothing left"):
        harder("hidden_species", 1, np.array([47, 47]), np.eye(3)[:2], 0)


def test_strain_is_symmetric_and_of_the_level(few):
    _, positions = few.particle("ZnO", 10)
    for level in TRACKS["strain"].levels:
        strained = harder("strain", level, np.ones(len(positions)), positions, 5)[1]
        gradient = np.linalg.lstsq(positions, strained, rcond=None)[0] - np.eye(3)
        assert gradient == pytest.approx(gradient.T, abs=1e-12)
        assert np.abs(np.linalg.eigvalsh(gradient)).max() == pytest.approx(level)


@pytest.mark.parametrize("track", TRACKS)
def test_seeds_decide(few, track):
    numbers, positions = few.particle("SrTiO3", 10)
    level = TRACKS[track].levels[-1]
    seeds = [sample_seed(1, "SrTiO3_R10_rot1"), sample_seed(1, "SrTiO3_R10_rot2")]
    one, again, other = (
        harder(track, level, numbers, positions, seed) for seed in (seeds[0], seeds[0], seeds[1])
    )
    assert np.array_equal(one[1], again[1]) and np.array_equal(one[0], again[0])
    assert not np.array_equal(one[1], other[1]) or track == "hidden_species"
    with pytest.raises(UserError, match="must be positive"):
        harder(track, 0, numbers, positions, 1)


def test_a_relaxed_particle_stays_where_it_is(few):
    """A spring to a smaller copy stands for a potential; what is asked is the frame."""
    numbers, positions = few.particle("NaCl", 6)

    def relax(table):
        middle = table.positions.mean(axis=0)
        lengths = np.diag(table.cells[0])
        assert (table.positions >= 4.99).all() and (table.positions <= lengths - 4.99).all()
        return replace(table, positions=middle + 0.98 * (table.positions - middle))

    found = relaxed(numbers, positions, relax)[1]
    assert np.abs(found - 0.98 * positions).max() < 1e-10


def test_a_particle_relaxed_with_the_default_potential(few):
    pytest.importorskip("chgnet", reason="needs the energy extra: pip install 'matscale[energy]'")
    from matscale.energy.potentials import potential
    from matscale.energy.relax import RelaxSettings, relax

    steps = RelaxSettings(relax_cell=False, max_steps=3)
    numbers, positions = few.particle("NaCl", 6)
    found = relaxed(numbers, positions, lambda box: relax(box, potential(), steps).table)[1]
    moved = np.linalg.norm(found - positions, axis=1)
    assert 0 < moved.max() < 1


# --- material sets -----------------------------------------------------------------------------


def space_groups(table):
    """By spglib, where the sets were made with moyopy."""
    return [
        spglib.get_symmetry_dataset(
            (
                table.cells[row],
                table.row_positions(row) @ np.linalg.inv(table.cells[row]),
                table.row_numbers(row),
            ),
            1e-3,
        ).number
        for row in range(len(table))
    ]


@pytest.mark.parametrize("name", SMALL)
def test_no_set_holds_a_crystal_twice(name):
    table = material_set(name)
    same, _ = group(table, MatchSettings(scale=False))
    assert same.tolist() == list(range(len(table)))
    assert len(set(kinds(table))) == len(table)


def test_hydride_perovskites():
    table = material_set("perov-h3")
    assert len(table) == 100 and (table.n_atoms == 5).all()
    assert set(space_groups(table)) == {221}
    charges = table.columns["charge_a"] + table.columns["charge_b"]
    assert (charges == 3).all() and (table.numbers.reshape(100, 5)[:, 2:] == 1).all()
    sides = table.volumes ** (1 / 3)
    assert sides.min() > 3.0 and sides.max() < 6.0
    # Measured: CsCaH3 4.62 Å, BaLiH3 4.02 Å, SrLiH3 3.83 Å, RbCaH3 4.55 Å (a few % apart).
    rows = {name: row for row, name in enumerate(table.ids)}
    for known, side in {"CsCaH3": 4.62, "SrLiH3": 3.83, "BaLiH3": 4.02, "RbCaH3": 4.55}.items():
        if known in rows:
            assert sides[rows[known]] == pytest.approx(side, rel=0.02)
    assert {"CsCaH3", "SrLiH3"} & rows.keys()


def test_hydride_candidates_fit():
    """Goldschmidt's factor from Shannon's radii: Cs+ XII 1.88 Å, Ca2+ VI 1.00 Å."""
    table = hydride_perovskites()
    row = table.ids.tolist().index("CsCaH3")
    expected = (1.88 + HYDRIDE_RADIUS) / (2**0.5 * (1.00 + HYDRIDE_RADIUS))
    assert table.columns["tolerance_factor"][row] == pytest.approx(expected)
    assert table.volumes[row] ** (1 / 3) == pytest.approx(2 * (1.00 + HYDRIDE_RADIUS))
    misses = np.abs(table.columns["tolerance_factor"] - 0.95)
    assert (np.diff(misses) > -1e-8).all()
    failed = np.zeros(len(table), bool)
    failed[0] = True
    assert chosen(table, ~failed).ids[0] == table.ids[1]


def test_diverse_crystals_cover_symmetry():
    table = material_set("diverse")
    assert len(table) >= 100 and len(set(table.ids)) == len(table)
    groups = space_groups(table)
    systems = {next(name for last, name in SYSTEMS if one <= last) for one in groups}
    assert len(systems) == 7 and len(set(groups)) >= 40
    # At one tolerance spglib and moyopy may draw the line elsewhere for a few.
    assert np.mean(np.array(groups) == table.columns["space_group"]) > 0.95


def test_the_diverse_set_can_be_made_anew():
    crystals = prototype_crystals()
    same, _ = group(crystals, MatchSettings(scale=False))
    again = spread_over_symmetry(crystals, same)
    assert again.ids.tolist() == material_set("diverse").ids.tolist()


def test_measured_materials_have_their_densities():
    """g/cm^3, handbook values at room temperature; the perovskite's hydrogens are ordered."""
    densities = {
        "Ag": 10.49, "Au": 19.3, "CH3NH3PbI3": 4.1, "Fe2O3": 5.27, "MoS2": 5.0, "PbS": 7.6,
        "SnO2": 6.99, "SrTiO3": 5.12, "TiO2": 4.25, "ZnO": 5.67,
    }  # fmt: skip
    groups = {
        "Ag": 225, "Au": 225, "CH3NH3PbI3": 160, "Fe2O3": 167, "MoS2": 194, "PbS": 225,
        "SnO2": 136, "SrTiO3": 221, "TiO2": 136, "ZnO": 186,
    }  # fmt: skip
    table = material_set("radii-10")
    masses = np.add.reduceat(atomic_masses[table.numbers], table.offsets[:-1])
    found = dict(zip(table.ids, masses / table.volumes / 0.602214, strict=True))
    assert found == pytest.approx(densities, rel=0.03)
    assert dict(zip(table.ids, space_groups(table), strict=True)) == groups
    assert all(len(source) > 20 for source in table.columns["source"])
    assert measured_materials().sha256() == table.sha256()


def test_methylammonium_has_its_bonds():
    table = material_set("radii-10")
    row = table.ids.tolist().index("CH3NH3PbI3")
    atoms = table.to_ase(row)
    carbon, nitrogen = (np.flatnonzero(atoms.numbers == number)[0] for number in (6, 7))
    hydrogens = np.flatnonzero(atoms.numbers == 1)
    from_carbon = np.sort(atoms.get_distances(carbon, hydrogens, mic=True))
    from_nitrogen = np.sort(atoms.get_distances(nitrogen, hydrogens, mic=True))
    assert from_carbon[:3] == pytest.approx([1.09] * 3) and from_carbon[3] > 1.9
    assert from_nitrogen[:3] == pytest.approx([1.03] * 3)
    assert atoms.get_angle(hydrogens[0], carbon, nitrogen) == pytest.approx(109.47, abs=0.01)
    heavy = np.flatnonzero(atoms.numbers == 53)
    closest = min(atoms.get_distances(one, hydrogens, mic=True).min() for one in heavy)
    assert 2.2 < closest < 3.5
