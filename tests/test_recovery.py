"""The crystal that a particle was cut from: known crystals in, the same crystals out.

What is right comes from the crystals themselves and from pymatgen (spglib), not from moyopy.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.spatial.transform import Rotation

from crystals import perovskite, rock_salt, rutile, wurtzite
from matscale.recovery import DETERMINED, NOT_DETERMINED, recover, recover_all
from matscale.recovery.cif import standard_cif
from matscale.recovery.fit import Fit, least_squares
from matscale.recovery.lattice_kernels import irreducible, place_in_cell
from matscale.recovery.particle import particle_of
from matscale.recovery.recover import _rounding
from matscale.recovery.stacking import repeats
from matscale.recovery.tidy import superlattices
from matscale.structures.table import StructureTable


def calcite() -> Structure:
    return Structure.from_spacegroup(
        "R-3c",
        Lattice.hexagonal(4.99, 17.06),
        ["Ca", "C", "O"],
        [[0, 0, 0], [0, 0, 0.25], [0.257, 0, 0.25]],
    ).get_primitive_structure()


def low_symmetry() -> Structure:
    """Triclinic, two species, all parameters general."""
    return Structure(
        Lattice.from_parameters(4.1, 5.3, 6.2, 82, 97, 103),
        ["Cu", "O", "O", "Cu"],
        [[0.02, 0.0, 0.1], [0.31, 0.62, 0.23], [0.77, 0.28, 0.61], [0.55, 0.45, 0.02]],
    )


CRYSTALS = {
    "perovskite": perovskite(4.05, "Rb", "Ni", "H"),
    "rock salt": rock_salt(5.6, "Na", "Cl"),
    "rutile": rutile(4.6, 2.95, "Ti", "O"),
    "wurtzite": wurtzite(3.25, 5.2, "Zn", "O"),
    "calcite": calcite(),
    "triclinic": low_symmetry(),
    "diamond": Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]]),
    "quartz": Structure.from_spacegroup(
        "P3_221",
        Lattice.hexagonal(4.91, 5.4),
        ["Si", "O"],
        [[0.47, 0, 2 / 3], [0.41, 0.27, 0.786]],
    ),
}


def cut(
    crystal: Structure, radius: float, seed: int, noise: float = 0.0, vacancies: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A sphere around a random point, turned, moved and shuffled."""
    generator = np.random.default_rng(seed)
    centre = crystal.lattice.get_cartesian_coords(generator.random(3))
    found = crystal.get_sites_in_sphere(centre, radius)
    numbers = np.array([site.specie.Z for site in found])
    positions = np.array([site.coords for site in found]) - centre
    kept = generator.random(len(numbers)) >= vacancies
    numbers, positions = numbers[kept], positions[kept]
    positions = positions + generator.normal(0, noise, positions.shape) if noise else positions
    turned = positions @ Rotation.random(random_state=seed).as_matrix() + [3.0, -7.0, 11.0]
    order = generator.permutation(len(numbers))
    return numbers[order], turned[order]


def assert_is(found, crystal: Structure, length: float = 0.01) -> None:
    """Same primitive lattice within 1 % and 1 degree, same composition, same space group."""
    assert found.status == DETERMINED, found.reason
    truth = crystal.get_primitive_structure()
    answer = found.cell.to_pymatgen(0)
    assert answer.composition == truth.composition
    mapping = truth.lattice.find_mapping(answer.lattice, ltol=length, atol=1)
    assert mapping is not None
    assert abs(round(np.linalg.det(mapping[2]))) == 1
    assert found.space_group == SpacegroupAnalyzer(crystal, 0.01).get_space_group_number()


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("radius", [7, 12])
def test_exact_particles_give_their_crystals(name, radius):
    found = recover(*cut(CRYSTALS[name], radius, seed=radius))
    assert_is(found, CRYSTALS[name], length=1e-5)
    assert found.noise < 1e-6
    assert found.vacancies == 0
    assert found.strays == 0


@pytest.mark.parametrize("name", ["perovskite", "rutile", "calcite", "triclinic"])
def test_noise_is_measured_and_averaged_away(name):
    found = recover(*cut(CRYSTALS[name], 12, seed=3, noise=0.05))
    assert_is(found, CRYSTALS[name])
    assert found.noise == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("name", ["perovskite", "wurtzite", "quartz"])
def test_vacancies_are_counted(name):
    found = recover(*cut(CRYSTALS[name], 13, seed=4, vacancies=0.2))
    assert_is(found, CRYSTALS[name])
    assert found.vacancies == pytest.approx(0.2, abs=0.05)


def test_sites_come_back():
    from pymatgen.analysis.structure_matcher import StructureMatcher

    found = recover(*cut(CRYSTALS["calcite"], 10, seed=5))
    matcher = StructureMatcher(ltol=0.001, stol=0.001, angle_tol=0.1, scale=False)
    assert matcher.fit(found.cell.to_pymatgen(0), CRYSTALS["calcite"])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**20), shift=st.tuples(*[st.floats(-500, 500)] * 3))
def test_orientation_place_and_order_do_not_matter(seed, shift):
    numbers, positions = cut(CRYSTALS["rutile"], 8, seed=1)
    turn = Rotation.random(random_state=seed).as_matrix()
    order = np.random.default_rng(seed).permutation(len(numbers))
    found = recover(numbers[order], positions[order] @ turn + shift)
    first = recover(numbers, positions)
    assert found.space_group == first.space_group == 136
    for one in (found, first):
        one_cell = np.sort(np.linalg.norm(one.cell.lattices[0], axis=1))
        assert one_cell == pytest.approx([2.95, 4.6, 4.6], abs=1e-6)


def test_a_mirror_image_has_the_group_of_the_other_hand():
    numbers, positions = cut(CRYSTALS["quartz"], 10, seed=2)
    assert recover(numbers, positions).space_group == 154
    assert recover(numbers, positions * [1, 1, -1]).space_group == 152


def test_ordered_species_make_the_cell_larger():
    """Same places as in a face-centred lattice; only the species say that it is L1_0."""
    ordered = Structure(Lattice.tetragonal(2.8, 3.9), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert_is(recover(*cut(ordered, 9, seed=6)), ordered)


def test_a_small_distortion_lowers_the_symmetry():
    """A ferroelectric shift of 0.05 Å of one species: P4mm, not Pm-3m."""
    shifted = perovskite(4.0, "Ba", "Ti", "O").copy()
    shifted.translate_sites([1], [0, 0, 0.05 / 4], frac_coords=True)
    assert recover(*cut(shifted, 9, seed=7)).space_group == 99


def test_a_doubled_cell_is_seen_by_small_displacements():
    """Neighbouring cells displaced against each other by 0.02 Å."""
    doubled = perovskite(4.0, "Ba", "Ti", "O") * (2, 1, 1)
    doubled.translate_sites([2], [0.02 / 8, 0, 0], frac_coords=True)
    found = recover(*cut(doubled, 9, seed=8))
    assert found.cell.n_atoms[0] == 10


def test_a_cell_longer_than_the_particle_is_not_guessed():
    """Sixteen layers, 1.8 to 3.2 Å apart without order: the particle shows six or seven."""
    heights = np.cumsum(np.random.default_rng(9).uniform(1.8, 3.2, 17))
    places = np.column_stack([np.zeros((16, 2)), heights[:16] / heights[16]])
    long = Structure(Lattice.tetragonal(3.0, heights[16]), ["Fe"] * 16, places)
    found = recover(*cut(long, 8, seed=9))
    assert found.status == NOT_DETERMINED
    assert found.cell is None
    assert found.space_group == 0
    assert found.reason


def stacked(letters: str) -> Structure:
    """Close-packed layers A, B, C of one element, one letter a layer, to four decimals as in CIFs.

    Layers that would be one translation apart in a shorter period miss it by 1e-4 Å.
    """
    shift = {"A": 0.0, "B": 0.3333, "C": 0.6667}
    places = [[shift[one], -shift[one], k / len(letters)] for k, one in enumerate(letters)]
    cell = Lattice.hexagonal(2.9, 2.5 * len(letters))
    return Structure(cell, ["Si"] * len(letters), places)


@pytest.mark.parametrize("seed", range(4))
def test_a_polytype_longer_than_the_particle_is_not_taken_for_a_shorter_one(seed):
    """A sphere of 8 Å holds seven layers of 2.5 Å at most, one more than the period: that one comes
    again proves nothing, and some sequences fit a period of five but for 1e-4 Å.
    """
    found = recover(*cut(stacked("ABCACB"), 8, seed))
    assert found.status == NOT_DETERMINED
    assert found.cell is None
    assert found.reason


@pytest.mark.parametrize("seed", range(4))
def test_a_polytype_is_determined_where_the_particle_holds_two_periods(seed):
    """A sphere of 16 Å holds twelve layers or more, two whole periods of six."""
    assert_is(recover(*cut(stacked("ABCACB"), 16, seed)), stacked("ABCACB"))


def bilayers(letters: str) -> Structure:
    """Close-packed double layers of silicon carbide at their ideal heights, exactly."""
    shift = {"A": 0.0, "B": 1 / 3, "C": 2 / 3}
    places = [
        [shift[one], -shift[one], k + up] for k, one in enumerate(letters) for up in (0, 0.75)
    ]
    places = np.array(places) / [1, 1, len(letters)]
    cell = Lattice.hexagonal(3.08, 2.52 * len(letters))
    return Structure(cell, ["Si", "C"] * len(letters), places)


@pytest.mark.parametrize("vacancies", [0.0, 0.2])
@pytest.mark.parametrize(
    ("letters", "radius"),
    [("BCBCA", 9.0), ("CBACA", 7.2), ("ABABACBC", 9.3), ("ABCABACB", 10.0), ("CABCABCB", 8.2)],
)
def test_a_stacking_of_which_little_comes_again_is_not_guessed(letters, radius, vacancies):
    """Layers in a sphere of 7 to 10 Å fit shorter periods by chance, or but for a few atoms."""
    for seed in range(3):
        found = recover(*cut(bilayers(letters), radius, seed, vacancies=vacancies))
        assert found.cell is None or found.cell.n_atoms[0] == 2 * len(letters)


@pytest.mark.parametrize("vacancies", [0.0, 0.2])
@pytest.mark.parametrize(
    ("letters", "radius", "group"),
    [("AB", 9.0, 186), ("ABCB", 11.8, 186), ("ABCACB", 16.5, 186), ("ABCABACB", 18.0, 186)],
)
def test_a_stacking_that_comes_again_is_found(letters, radius, group, vacancies):
    """2H, 4H, 6H and 8H of silicon carbide, each two and more periods wide."""
    found = recover(*cut(bilayers(letters), radius, 5, vacancies=vacancies))
    assert found.status == DETERMINED, found.reason
    assert found.cell.n_atoms[0] == 2 * len(letters)
    assert found.space_group == group


def test_the_steps_that_come_again_are_counted():
    """4H on ten double layers: nine steps between them, of which five come again; one bit each."""
    sites = np.array([[shift, -shift, k] for k, shift in enumerate([0, 1 / 3, 2 / 3, 1 / 3])])
    basis = Lattice.hexagonal(3.08, 10.08).matrix
    height, *across = (axis.ravel() for axis in np.meshgrid(np.arange(10), *[np.arange(3)] * 2))
    fit = Fit(
        basis=basis,
        sites=sites / [1, 1, 4] @ basis,
        site_species=np.zeros(4, int),
        which=height % 4,
        points=np.column_stack([*across, height // 4]),
        squares=np.zeros(90),
        places=np.full(4, 18),
        held=np.full(4, 18),
        well_within=90,
        doubled=0,
    )
    assert repeats(fit, 2).bits == pytest.approx(5)
    assert repeats(fit, 2).is_sure
    shorter = replace(fit, which=fit.which[height < 6], points=fit.points[height < 6])
    assert repeats(shorter, 2).bits == pytest.approx(1)
    assert not repeats(shorter, 2).is_sure


@pytest.mark.parametrize("letters", ["BCBCA", "ABCACB"])
def test_little_overlap_lowers_the_confidence(letters):
    """One that is named although it is not determined is not named as sure."""
    for seed in range(4):
        for one in recover(*cut(bilayers(letters), 9.5, seed)).candidates:
            assert one.confidence < 0.95


def test_candidates_are_alternatives():
    """With noise several groups of one lattice are left; together they are no more than sure."""
    found = recover(*cut(CRYSTALS["calcite"], 10, seed=3, noise=0.05))
    assert len(found.candidates) > 1
    assert sum(one.confidence for one in found.candidates) <= 1 + 1e-12
    assert found.confidence == found.candidates[0].confidence


def test_an_exact_atom_on_no_place_is_no_stray():
    """Atoms between the layers of an otherwise perfect particle: no crystal without them."""
    numbers, positions = cut(CRYSTALS["perovskite"], 9, seed=6)
    extra = positions[:3] + np.array([0.9, 0.4, 0.7])
    found = recover(np.append(numbers, [1] * 3), np.concatenate([positions, extra]))
    assert found.status == NOT_DETERMINED


def vacant_layers() -> Structure:
    """Sheets of Mg and Ni; of each third sheet every other Ni is missing, by a screw axis."""
    return Structure.from_spacegroup(
        "P6_222",
        Lattice.hexagonal(5.2, 13.2),
        ["Ni", "Ni", "Mg", "Mg"],
        [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0.1123], [0.1635, 0.327, 0.5]],
    )


@pytest.mark.parametrize("seed", range(8))
def test_gaps_of_a_longer_period_are_not_vacancies(seed):
    """Mg2Ni (space group 180) in 7 Å: a cell of two thirds its length with gaps describes it.

    14 Å are no more than the period of 13.2 Å, so that nothing along it comes again.
    """
    found = recover(*cut(vacant_layers(), 7, seed))
    assert found.status == NOT_DETERMINED
    assert found.cell is None
    assert found.reason


@pytest.mark.parametrize("seed", range(8))
def test_a_longer_period_is_found_where_much_of_it_comes_again(seed):
    """In 11 Å two thirds of the period come again; all its sites are filled."""
    found = recover(*cut(vacant_layers(), 11, seed))
    assert_is(found, vacant_layers())
    assert found.cell.n_atoms[0] == len(vacant_layers()) == 18
    assert found.vacancies == 0


@pytest.mark.parametrize(("decimals", "noise"), [(3, 1e-3), (None, 1e-7)])
def test_the_last_decimal_is_the_rounding(decimals, noise):
    positions = np.random.default_rng(1).uniform(-30, 30, (50, 3))
    if decimals is not None:
        positions = np.round(positions, decimals) - 12.3456789
    assert _rounding(positions) == pytest.approx(noise)


def test_rounded_coordinates_along_the_axes_are_no_noise():
    """Cells that are whole thousandths in a and b, not in c, with three decimals."""
    crystal = rutile(4.6, 2.9517, "Ti", "O")
    found = crystal.get_sites_in_sphere([0.1, 0.2, 0.3], 9)
    numbers = np.array([site.specie.Z for site in found])
    positions = np.round([site.coords for site in found], 3)
    assert recover(numbers, positions).space_group == 136


def gas(atoms: int) -> np.ndarray:
    """Random points in a ball, none closer than 1.2 Å to another."""
    generator = np.random.default_rng(10)
    points: list[np.ndarray] = []
    while len(points) < atoms:
        point = generator.uniform(-9, 9, 3)
        if np.linalg.norm(point) < 9 and all(np.linalg.norm(point - one) > 1.2 for one in points):
            points.append(point)
    return np.array(points)


GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3) * 2.5
HOSTILE = {
    "nothing": (np.empty(0, int), np.empty((0, 3))),
    "one atom": ([26], [[0, 0, 0]]),
    "plane": ([6] * 64, GRID * [1, 1, 0] + np.arange(64)[:, None] * [2.5, 0, 0]),
    "line": ([6] * 20, np.arange(20)[:, None] * [1.5, 0.3, 0.2]),
    "twice the same atom": ([6] * 65, np.concatenate([GRID, GRID[:1]])),
    "not a number": ([6] * 64, np.where(np.arange(64)[:, None] == 3, np.nan, GRID)),
    "infinite": ([6] * 64, np.where(np.arange(64)[:, None] == 3, np.inf, GRID)),
    "far": ([6] * 64, np.where(np.arange(64)[:, None] == 3, 1e9, GRID)),
    "no element": ([0] * 64, GRID),
    "shapes": ([6] * 63, GRID),
    "gas": (np.resize([6, 8], 150), gas(150)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_crystal_is_not_determined(name):
    found = recover(*HOSTILE[name])
    assert found.status == NOT_DETERMINED
    assert found.reason
    assert found.cell is None


def test_many_particles_in_order():
    parts = [cut(CRYSTALS[name], 8, seed=11) for name in ("rutile", "perovskite")]
    table = StructureTable.from_parts(
        ["a", "b"], [one[0] for one in parts], [one[1] for one in parts], None
    )
    assert [one.space_group for one in recover_all(table)] == [136, 221]


@pytest.mark.parametrize("name", ["quartz", "calcite", "triclinic", "diamond"])
def test_the_cif_reads_back_as_the_crystal(name):
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.io.cif import CifParser

    found = recover(*cut(CRYSTALS[name], 10, seed=12))
    text = standard_cif("a crystal", found.cell)
    (read,) = CifParser.from_str(text).parse_structures(primitive=False)
    group = SpacegroupAnalyzer(CRYSTALS[name], 0.01).get_space_group_number()
    assert f"_space_group_IT_number {group}\n" in text
    assert SpacegroupAnalyzer(read, 0.01).get_space_group_number() == group
    assert StructureMatcher(scale=False, ltol=0.001, stol=0.001).fit(read, CRYSTALS[name])


def test_least_squares_agrees_with_lstsq():
    """The whole design matrix at once, by numpy."""
    generator = np.random.default_rng(13)
    points = generator.integers(-3, 4, (40, 3))
    which = generator.integers(0, 3, 40)
    positions = generator.normal(size=(40, 3))
    basis, sites = least_squares(positions, which, points, 3)
    design = np.column_stack([points, np.eye(3)[which]])
    expected = np.linalg.lstsq(design, positions, rcond=None)[0]
    np.testing.assert_allclose(np.concatenate([basis, sites]), expected, atol=1e-10)


def test_superlattices_are_all_there_and_classes_fill_them():
    """Numbers of sublattices of Z^3 of index 2, 3, 4: 7, 13, 35 (OEIS A001001)."""
    forms = superlattices()
    index = np.rint(np.linalg.det(forms)).astype(int)
    assert [int((index == n).sum()) for n in (2, 3, 4)] == [7, 13, 35]
    points = np.stack(np.meshgrid(*[np.arange(-4, 8)] * 3), axis=-1).reshape(-1, 3)
    for form, size in zip(forms, index, strict=True):
        labels = np.array([place_in_cell(point, form) for point in points])
        assert set(labels) == set(range(size))
        # Two points share a class where their difference is a vector of the superlattice.
        steps = (points - points[0]) @ np.linalg.inv(form)
        whole = np.abs(steps - np.rint(steps)).max(axis=1) < 1e-9
        np.testing.assert_array_equal(labels == labels[0], whole)


def test_irreducible_vectors_of_a_cubic_lattice():
    """Of the integer vectors up to length 2.3, only the three axes are no sum of shorter ones."""
    grid = np.stack(np.meshgrid(*[np.arange(-2.0, 3)] * 3), axis=-1).reshape(-1, 3)
    half = [tuple(v) for v in grid if tuple(v) > (0.0, 0.0, 0.0) and np.linalg.norm(v) < 2.3]
    vectors = np.array(sorted(half, key=np.linalg.norm))
    alone = irreducible(vectors, np.linalg.norm(vectors, axis=1), 0.01)
    np.testing.assert_array_equal(alone, np.linalg.norm(vectors, axis=1) == 1)


def test_vacancies_of_one_site_only_are_none():
    """12 of 40 places of one of two sites are empty, and none of the other's 40."""
    common = {
        "basis": np.eye(3),
        "sites": np.zeros((2, 3)),
        "site_species": np.zeros(2, int),
        "which": np.zeros(1, int),
        "points": np.zeros((1, 3), int),
        "squares": np.zeros(1),
        "places": np.array([40, 40]),
        "well_within": 80,
        "doubled": 0,
    }
    assert Fit(**common, held=np.array([28, 40])).chance < 1e-3
    assert Fit(**common, held=np.array([34, 34])).chance == pytest.approx(1.0)


def test_the_hull_holds_all_atoms():
    numbers, positions = cut(CRYSTALS["rutile"], 9, seed=14)
    particle = particle_of(numbers, positions)
    assert (particle.positions @ particle.planes[:, :3].T <= particle.planes[:, 3] + 1e-9).all()
    assert 8 < particle.radius <= 9.2
