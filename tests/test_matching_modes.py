"""What matching must and must not care about, on crystals made for the purpose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from matscale.matching import batch
from matscale.matching.batch import MatchSettings
from matscale.structures.table import StructureTable

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
PEROVSKITE = Structure(
    Lattice.cubic(3.9),
    ["Sr", "Ti", "O", "O", "O"],
    [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
)
QUARTZ = Structure.from_spacegroup(
    "P3_221", Lattice.hexagonal(4.91, 5.41), ["Si", "O"], [[0.47, 0, 2 / 3], [0.41, 0.27, 0.79]]
)
DIAMOND = Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.57), ["C"], [[0, 0, 0]])
GRAPHITE = Structure.from_spacegroup(
    "P6_3/mmc", Lattice.hexagonal(2.46, 6.7), ["C", "C"], [[0, 0, 0.25], [1 / 3, 2 / 3, 0.25]]
)
CRYSTALS = [ROCK_SALT, PEROVSKITE, QUARTZ, DIAMOND, GRAPHITE]


def rms(first, second, **options):
    tables = [StructureTable.from_pymatgen([item]) for item in (first, second)]
    return batch.match_pairs(*tables, np.array([[0, 0]]), MatchSettings(**options)).rms[0]


def disguised(structure, rng, rattle=0.0, strain=0.0, matrix=None):
    """The same crystal in another cell, place, orientation, size and order, a little disturbed."""
    copy = structure.copy()
    if matrix is not None:
        copy.make_supercell(matrix)
    cell = copy.lattice.matrix @ (np.eye(3) + strain * rng.uniform(-1, 1, (3, 3)))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    positions = copy.frac_coords @ cell + rattle * rng.normal(size=(len(copy), 3))
    positions = (positions + rng.normal(size=3)) @ rotation
    order = rng.permutation(len(copy))
    species = [copy.species[place] for place in order]
    return Structure(cell @ rotation, species, positions[order], coords_are_cartesian=True)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(CRYSTALS), st.integers(0, 2**32 - 1), st.sampled_from([None, [2, 1, 1]]))
def test_a_disguised_crystal_is_itself(structure, seed, matrix):
    rng = np.random.default_rng(seed)
    assert rms(structure, disguised(structure, rng, matrix=matrix)) == pytest.approx(0, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(CRYSTALS), st.integers(0, 2**32 - 1), st.floats(0, 0.3), st.floats(0, 0.1))
def test_disturbed_crystals_score_as_with_pymatgen(structure, seed, rattle, strain):
    other = disguised(structure, np.random.default_rng(seed), rattle, strain)
    known = StructureMatcher().get_rms_dist(structure, other)
    found = rms(structure, other)
    assert found == pytest.approx(known[0], abs=1e-6) if known else np.isnan(found)


def test_polymorphs_do_not_match():
    assert np.isnan(rms(DIAMOND, GRAPHITE))


def test_scaling_may_be_switched_off():
    swollen = ROCK_SALT.copy()
    swollen.scale_lattice(ROCK_SALT.volume * 1.9)
    assert rms(ROCK_SALT, swollen) == pytest.approx(0, abs=1e-6)
    assert np.isnan(rms(ROCK_SALT, swollen, scale=False))


def test_supercells_match_only_if_asked_for():
    large = disguised(PEROVSKITE, np.random.default_rng(0), matrix=[2, 1, 1])
    options = {"primitive": False, "scale": False}
    assert np.isnan(rms(PEROVSKITE, large, **options))
    for pair in ((PEROVSKITE, large), (large, PEROVSKITE)):
        assert rms(*pair, supercell=True, **options) == pytest.approx(0, abs=1e-6)


def test_framework_ignores_elements_and_anonymous_maps_them():
    other = PEROVSKITE.copy()
    other.replace_species({"Sr": "Ca", "Ti": "Zr", "O": "F"})
    assert np.isnan(rms(PEROVSKITE, other))
    assert rms(PEROVSKITE, other, mode="framework") == pytest.approx(0, abs=1e-6)
    tables = [StructureTable.from_pymatgen([item]) for item in (PEROVSKITE, other)]
    found = batch.match(*tables, MatchSettings(mode="anonymous"))
    assert len(found) == 1
    assert {place: found.element_maps[0, place] for place in (38, 22, 8)} == {38: 20, 22: 40, 8: 9}
    assert (found.element_maps[0] >= 0).sum() == 3


def test_anonymous_needs_equal_anonymous_formulas():
    found = batch.match(
        *[StructureTable.from_pymatgen([item]) for item in (ROCK_SALT, QUARTZ)],
        MatchSettings(mode="anonymous"),
    )
    assert len(found) == 0
    assert found.counts.refused["composition"] == 1


def test_anonymous_agrees_with_pymatgen_on_the_best_map():
    matcher = StructureMatcher()
    rng = np.random.default_rng(4)
    other = disguised(ROCK_SALT, rng, rattle=0.03)
    other.replace_species({"Na": "Mg", "Cl": "O"})
    known, element_map = matcher.get_rms_anonymous(ROCK_SALT, other)
    found = batch.match(
        *[StructureTable.from_pymatgen([item]) for item in (ROCK_SALT, other)],
        MatchSettings(mode="anonymous"),
    )
    assert found.rms[0] == pytest.approx(known, abs=1e-6)
    for old, new in element_map.items():
        assert found.element_maps[0, old.Z] == new.Z


def test_rms_in_angstrom_is_the_displacement_itself():
    """One of the four Na of rock salt displaced: the rms about the mean is known."""
    moved = ROCK_SALT.copy()
    moved.translate_sites([0], [0.2, 0, 0], frac_coords=False)
    tables = [StructureTable.from_pymatgen([item]) for item in (ROCK_SALT, moved)]
    settings = MatchSettings(reduce=False, scale=False)
    scores = batch.match_pairs(*tables, np.array([[0, 0]]), settings)
    assert scores.rms_angstrom[0] == pytest.approx(0.2 * np.sqrt(1 / 8 - 1 / 64), abs=1e-9)
    length = (ROCK_SALT.volume / 8) ** (1 / 3)
    assert scores.rms[0] == pytest.approx(scores.rms_angstrom[0] / length, abs=1e-9)
    assert scores.largest[0] == pytest.approx(0.2 * 7 / 8 / length, abs=1e-9)


def test_counts_add_up_over_all_pairs():
    table = StructureTable.from_pymatgen(CRYSTALS)
    found = batch.match(table, table)
    counts = found.counts
    assert counts.considered == len(table) ** 2 == counts.tested + sum(counts.refused.values())
    assert counts.matched == len(found) == len(table)
    assert counts.seconds > 0


def test_find_gives_the_best_match_or_none():
    table = StructureTable.from_pymatgen(CRYSTALS)
    rng = np.random.default_rng(2)
    known = StructureTable.from_pymatgen(
        [disguised(QUARTZ, rng, rattle=0.1), disguised(QUARTZ, rng), DIAMOND]
    )
    best, values, _ = batch.find(table, known)
    assert best.tolist() == [-1, -1, 1, 2, -1]
    assert np.isnan(values[[0, 1, 4]]).all()
    assert values[[2, 3]] == pytest.approx(0, abs=1e-5)


def test_a_group_stands_under_its_first_crystal():
    rng = np.random.default_rng(3)
    structures = [QUARTZ, DIAMOND, disguised(QUARTZ, rng), GRAPHITE, disguised(DIAMOND, rng)]
    label, counts = batch.group(StructureTable.from_pymatgen(structures))
    assert label.tolist() == [0, 1, 0, 3, 1]
    assert counts.matched == 2


def test_a_flat_cell_is_counted_and_matches_nothing():
    flat = StructureTable.from_parts(
        ["flat"],
        [np.array([6])],
        [np.zeros((1, 3))],
        np.array([[[3.0, 0, 0], [0, 3, 0], [3, 3, 0]]]),
    )
    table = StructureTable.concatenate([flat, StructureTable.from_pymatgen([DIAMOND])])
    label, _ = batch.group(table)
    assert label.tolist() == [-1, 1]
    assert batch.match(table, table).first.tolist() == [1]


def test_an_empty_table_has_no_matches():
    assert len(batch.match(StructureTable.empty(), StructureTable.empty())) == 0


@pytest.mark.parametrize("options", [{"mode": "sideways"}, {"criterion": "smallest"}])
def test_unknown_settings_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        MatchSettings(**options)
