"""Symmetry of CIFs: how it is spelled, what is left open, what is refused, what is warned of."""

from collections import Counter
from functools import cache
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

import matscale.structures.formats as formats
from format_samples import written
from matscale.structures.formats import pipeline, space_groups
from matscale.structures.reading import WARNINGS, Reading, warning_notes

CASES = Path(__file__).parent / "cases"

HALVES = ("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5")
SPINEL = ("Mg1 Mg 0.125 0.125 0.125", "Al1 Al 0.5 0.5 0.5", "O1 O 0.2625 0.2625 0.2625")
BISMUTH_R = "4.746 4.746 4.746 57.24 57.24 57.24"
BISMUTH_H = "4.546 4.546 11.86 90 90 120"


def cif(*lines, cell="5.64 5.64 5.64 90 90 90", sites=HALVES, columns="fract_x fract_y fract_z"):
    """A CIF of one block."""
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    text = ["data_x", *(f"_cell_{n} {v}" for n, v in zip(names, cell.split(), strict=True)), *lines]
    columns = ["label", "type_symbol", *columns.split()]
    return "\n".join([*text, "loop_", *(f"_atom_site_{name}" for name in columns), *sites, ""])


def symbol(text, name="_symmetry_space_group_name_H-M"):
    quote = '"' if "'" in text else "'"
    return f"{name} {quote}{text}{quote}"


def loop(name, *values):
    return "\n".join(["loop_", name, *(f"'{value}'" for value in values)])


def read(folder, text) -> Reading:
    return formats.read(written(folder / "x.cif", text))


def content(reading):
    assert not reading.refusals, reading.refusals
    (row,) = range(len(reading.table))
    return dict(Counter(str(z) for z in reading.table.to_pymatgen(row).species))


def kinds(reading):
    return [warning.kind for warning in reading.warnings]


def refusal(reading):
    (one,) = reading.refusals
    return one


# --- the field cases --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mag.mcif", "r_axes_hm.cif", "spinel_o2_Z.cif", "nacl_full.cif",
                                  "nacl_sg_dot.cif", "mg_hcp_3.cif"])  # fmt: skip
def test_field_cases_are_the_right_crystals(name):
    reading = formats.read(CASES / name)
    truth = Structure.from_file(str(CASES / f"truth_{name.split('.')[0]}.vasp"))
    ours = reading.table.to_pymatgen(0)
    assert len(ours) == len(truth)
    matcher = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1, primitive_cell=False,
                               scale=False)  # fmt: skip
    assert matcher.fit(ours, truth)
    assert not reading.warnings


def test_site_beside_a_special_position_is_put_on_it():
    found = formats.read(CASES / "mg_hcp_3.cif").table.to_pymatgen(0)
    expected = [[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]]
    np.testing.assert_allclose(sorted(found.frac_coords.tolist()), expected, atol=1e-12)


# --- all groups -------------------------------------------------------------------------------


@cache
def metric(group):
    """A cell that a setting has, made symmetric by its own operations."""
    start = np.array([[49.0, 3.1, -4.3], [3.1, 70.0, 5.7], [-4.3, 5.7, 88.0]])
    turns = np.array([np.array(op.rot) // 24 for op in group.operations().sym_ops])
    mean = np.mean([turn.T @ start @ turn for turn in turns], axis=0)
    lengths = np.sqrt(np.diag(mean))
    angles = np.degrees(np.arccos((mean / np.outer(lengths, lengths))[[1, 0, 0], [2, 2, 1]]))
    return " ".join(f"{value:.10f}" for value in (*lengths, *angles))


GENERAL = np.array([0.1317, 0.2391, 0.0773])


def images(operations, position):
    """Different images of a position by gemmi's own arithmetic, to 6 digits."""
    found = {
        tuple(round(x % 1, 6) % 1 for x in op.apply_to_xyz(position.tolist())) for op in operations
    }
    return sorted(found)


def orbit_of(parsed, number):
    inverse = np.linalg.inv(parsed.cell)
    found = parsed.positions[parsed.numbers == number] @ inverse
    return sorted(tuple(round(x % 1, 6) % 1 for x in row) for row in found.tolist())


def assert_expanded(group, *lines):
    sites = ("Na1 Na 0 0 0", "Cl1 Cl {} {} {}".format(*GENERAL))
    parsed = formats.parse_text(cif(*lines, cell=metric(group), sites=sites))
    operations = list(group.operations())
    assert orbit_of(parsed, 11) == images(operations, np.zeros(3)), group.xhm()
    assert orbit_of(parsed, 17) == images(operations, GENERAL), group.xhm()
    return parsed


GROUPS = list(gemmi.spacegroup_table())


def test_all_settings_by_extended_symbol_and_hall_symbol():
    assert len(GROUPS) > 550
    for group in GROUPS:
        assert_expanded(group, symbol(group.xhm(), "_space_group_name_H-M_alt"))
        if "n.a." not in group.hall:
            assert_expanded(group, f"_space_group_name_Hall\n;\n{group.hall}\n;")


def test_all_settings_by_operations():
    for group in GROUPS:
        triplets = [op.triplet() for op in group.operations()]
        parsed = assert_expanded(group, loop("_symmetry_equiv_pos_as_xyz", *triplets))
        assert not parsed.warnings


@pytest.mark.parametrize(
    "spell",
    [
        lambda group: group.xhm().replace(" ", ""),
        lambda group: group.xhm().replace(" ", "_"),
        lambda group: group.hm.upper() + (f" :{group.ext}" if group.ext != "\0" else ""),
        lambda group: group.hm + {"1": " S", "2": " Z", "\0": ""}.get(group.ext, f" {group.ext}"),
        lambda group: group.hm + {"1": " (origin choice 1)", "2": " (origin choice 2)",
                                  "H": " (hexagonal axes)", "R": " (rhombohedral axes)",
                                  "\0": f" (No. {group.number})"}[group.ext],
    ],
)  # fmt: skip
def test_all_settings_in_other_spellings(spell):
    for group in GROUPS:
        if "(" in group.hm:
            continue
        found = space_groups.by_symbol(spell(group))
        assert [one.xhm() for one in found] == [group.xhm()], spell(group)


def test_all_groups_by_number_are_in_the_standard_setting():
    for number in range(1, 231):
        group = gemmi.find_spacegroup_by_number(number)
        assert_expanded(group, f"_space_group_IT_number {number}")


def test_full_symbols_are_those_of_spglib():
    """spglib has its own table of the full symbols of 530 settings."""
    spglib = pytest.importorskip("spglib")
    for hall_number in range(1, 531):
        kind = spglib.get_spacegroup_type(hall_number)
        full = kind.international_full.split("=")[0].strip()
        found = space_groups.by_symbol(full)
        assert {one.number for one in found} == {kind.number}, full


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(GROUPS) - 1), st.randoms(use_true_random=False))
def test_order_and_translations_of_operations_do_not_matter(place, rng):
    group = GROUPS[place]
    triplets = []
    for op in group.operations():
        op.tran = [shift + 24 * rng.randint(-2, 2) for shift in op.tran]
        triplets.append(op.triplet())
    rng.shuffle(triplets)
    assert_expanded(group, loop("_space_group_symop_operation_xyz", *triplets))


# --- spellings --------------------------------------------------------------------------------

NACL = {"Na": 4, "Cl": 4}


@pytest.mark.parametrize(
    "lines",
    [
        "_symmetry_space_group_name_H-M F_m_-3_m",
        "_symmetry_space_group_name_H-M Fm-3m",
        "_symmetry_space_group_name_H-M FM-3M",
        "_symmetry_space_group_name_H-M Fm3m",
        "_symmetry_space_group_name_H-M 'F 4/m \u22123 2/m'",
        "_symmetry_space_group_name_H-M 'F m -3 m (225)'",
        "_SYMMETRY_SPACE_GROUP_NAME_H-M 'F m -3 m'",
        "_symmetry.space_group_name_H-M 'F m -3 m'",
        "_symmetry_space_group_name_H-M\n;\nF m -3 m\n;",
        "_symmetry_space_group_name_H-M ? # none\n_space_group_IT_number 225",
        "_symmetry_space_group_name_H-M .\n_space_group.name_Hall '-F 4 2 3'",
        "_symmetry_space_group_name_H-M '-F 4 2 3'",
        "_space_group_name_Hall 'F m -3 m'",
        "loop_\n_space_group.id\n_space_group.name_H-M_full\n1 'F 4/m -3 2/m'",
        "_symmetry_Int_Tables_number '225'",
        "_space_group.IT_number 225",
        "_symmetry_equiv_pos_as_xyz .\n_space_group_name_H-M_alt 'F m -3 m'",
        "loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n1 ?\n"
        "_space_group_name_H-M_alt 'F m -3 m'",
        "_space_group_name_H-M_ref 'F m -3 m'",
    ],
)
def test_spellings_of_one_group(tmp_path, lines):
    reading = read(tmp_path, cif(lines))
    assert content(reading) == NACL
    assert not reading.warnings


def test_dotted_names_of_cell_and_sites(tmp_path):
    text = cif(symbol("F m -3 m", "_space_group.name_H-M_alt"))
    dotted = text.replace("_cell_", "_cell.").replace("_atom_site_", "_atom_site.")
    assert dotted.count(".length_a") == dotted.count(".fract_x") == 1
    assert content(read(tmp_path, dotted)) == NACL


@pytest.mark.parametrize(
    "operations",
    [
        "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-x, -y, -z'",
        "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n'1/2 + x, y + 0.5, Z'\n-X,-Y,-Z\n"
        "-x+.5,-y+1/2,-z",
        "_symmetry_equiv_pos_as_xyz\n;\nx,y,z\n-x,-y,-z\n;",
        "loop_\n_symmetry_equiv_pos_as_xyz\n'1 x,y,z'\n'2 -x,-y,-z'",
        "loop_\n_symmetry_equiv_pos_as_xyz\n-x,-y,-z",
        "loop_\n_symmetry_equiv.id\n_symmetry_equiv.pos_as_xyz\n1 x,y,z\n2 -x,-y,-z\n3 -x,-y,-z",
        "loop_\n_space_group_symop.magn_operation_xyz\nx,y,z,+1\n-x,-y,-z,+1\nx,y,z,-1",
        "loop_\n_space_group_symop_generator_xyz\n-x,-y,-z",
    ],
)
def test_spellings_of_operations(tmp_path, operations):
    sites = ("Na1 Na 0 0 0", "Cl1 Cl 0.1 0.2 0.3")
    reading = read(tmp_path, cif(operations, sites=sites))
    centred = "1/2" in operations
    assert content(reading) == ({"Na": 2, "Cl": 4} if centred else {"Na": 1, "Cl": 2})
    assert not reading.warnings


def test_magnetic_centring_is_combined_with_each_operation(tmp_path):
    text = cif(
        loop("_space_group_symop_magn_operation.xyz", "x,y,z,+1", "-x,-y,-z,-1"),
        loop("_space_group_symop_magn_centering.xyz", "x,y,z,+1", "x+1/2,y,z,-1"),
        "_space_group_magn.name_BNS 'P_a -1'",
        "_parent_space_group.name_H-M_alt 'F m -3 m'",
        sites=("Mn1 Mn 0 0 0", "O1 O 0.1 0.2 0.3"),
    )
    assert content(read(tmp_path, text)) == {"Mn": 2, "O": 4}


# --- what is left open ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stated",
    ["R -3 m", "R-3m", "R -3 2/m", "_space_group_IT_number 166", "R -3 m :R", "R-3mR",
     "R -3 m (rhombohedral axes)"],
)  # fmt: skip
def test_rhombohedral_axes(tmp_path, stated):
    line = stated if stated.startswith("_") else symbol(stated)
    reading = read(tmp_path, cif(line, cell=BISMUTH_R, sites=("Bi1 Bi 0.234 0.234 0.234",)))
    assert content(reading) == {"Bi": 2}
    assert not reading.warnings


@pytest.mark.parametrize("stated", ["R -3 m", "_space_group_IT_number 166", "R -3 m H", "H -3 m"])
def test_hexagonal_axes(tmp_path, stated):
    line = stated if stated.startswith("_") else symbol(stated)
    reading = read(tmp_path, cif(line, cell=BISMUTH_H, sites=("Bi1 Bi 0 0 0.234",)))
    assert content(reading) == {"Bi": 6}
    assert not reading.warnings


def test_axes_that_the_cell_contradicts_give_way_with_a_warning(tmp_path):
    text = cif(symbol("R -3 m :H"), cell=BISMUTH_R, sites=("Bi1 Bi 0.234 0.234 0.234",))
    reading = read(tmp_path, text)
    assert content(reading) == {"Bi": 2}
    assert kinds(reading) == ["setting"]


@pytest.mark.parametrize(
    ("stated", "angles", "unique"),
    [
        ("P 2/m", "90 97 90", "b"), ("P 2/m", "90 90 97", "c"), ("P 2/m", "97 90 90", "a"),
        ("P 21/c", "90 97 90", "b"), ("P 21/b", "90 90 97", "c"), ("C 2/m", "90 97 90", "b"),
        ("B 2/m", "90 90 97", "c"), ("P 2/m", "90 90 90", "b"),
    ],
)  # fmt: skip
def test_cell_says_which_axis_is_unique(stated, angles, unique):
    text = cif(symbol(stated), cell=f"5 6 7 {angles}", sites=("C1 C 0.12 0.23 0.31",))
    parsed = formats.parse_text(text)
    fractions = parsed.positions @ np.linalg.inv(parsed.cell)
    # A mirror or glide plane changes one coordinate by itself, but for halves: the unique axis.
    assert "abc"[int(np.argmax(_mirrored(fractions)))] == unique


def _mirrored(fractions):
    """How often each coordinate differs alone between two atoms, half lattice vectors apart."""
    gaps = 2 * (fractions[:, None] - fractions[None])
    differ = np.abs(gaps - np.round(gaps)) > 1e-8
    alone = differ & (differ.sum(axis=2) == 1)[..., None]
    return alone.sum(axis=(0, 1))


def test_cell_of_no_setting_is_refused(tmp_path):
    reading = read(tmp_path, cif(symbol("F m -3 m"), cell="5 6 7 90 90 90"))
    assert refusal(reading).reason == "unknown symmetry"
    assert "5 6 7 Å" in refusal(reading).detail
    ops = [op.triplet() for op in gemmi.find_spacegroup_by_name("P 4").operations()]
    reading = read(tmp_path, cif(loop("_symmetry_equiv_pos_as_xyz", *ops), cell="5 6 7 90 90 90"))
    assert refusal(reading).reason == "unknown symmetry"


def test_setting_that_is_not_said_is_refused(tmp_path):
    reading = read(tmp_path, cif(symbol("P 1 21/c 1"), cell="5 6 7 90 90 97"))
    assert refusal(reading).reason == "unknown symmetry"
    assert "P 1 1 21/a" in refusal(reading).detail


def test_cell_that_is_a_little_off_is_read_with_a_warning(tmp_path):
    reading = read(tmp_path, cif(symbol("F m -3 m"), cell="5.64 5.66 5.64 90 90 90"))
    assert content(reading) == NACL
    assert kinds(reading) == ["cell"]


@pytest.mark.parametrize(
    "evidence",
    [
        ("_chemical_formula_sum 'Al2 Mg O4'", "_cell_formula_units_Z 8"),
        ("_chemical_formula_sum 'Mg8 Al16 O32'",),
        ("_chemical_formula_sum 'Mg Al2 O4'",),
        (),  # in the other setting, atoms are 0.29 Å apart
    ],
)
def test_formula_or_distances_decide_the_origin(tmp_path, evidence):
    text = cif(symbol("F d -3 m"), *evidence, cell="8.0806 8.0806 8.0806 90 90 90", sites=SPINEL)
    reading = read(tmp_path, text)
    assert content(reading) == {"Mg": 8, "Al": 16, "O": 32}
    assert not reading.warnings


def test_multiplicities_decide_the_origin(tmp_path):
    sites = [f"{site} {count}" for site, count in zip(SPINEL, (8, 16, 32), strict=True)]
    text = cif("_space_group_IT_number 227", cell="8.0806 8.0806 8.0806 90 90 90", sites=sites,
               columns="fract_x fract_y fract_z site_symmetry_multiplicity")  # fmt: skip
    assert content(read(tmp_path, text)) == {"Mg": 8, "Al": 16, "O": 32}


def test_origin_that_nothing_decides_is_the_first_with_a_warning(tmp_path):
    sites = ("C1 C 0.125 0.125 0.125",)
    reading = read(tmp_path, cif(symbol("F d -3 m"), cell="4 4 4 90 90 90", sites=sites))
    assert content(reading) == {"C": 16}
    assert [(one.kind, one.detail) for one in reading.warnings] == [("setting", "F d -3 m:1")]


def test_code_of_the_coordinate_system_decides_the_origin(tmp_path):
    text = cif(symbol("F d -3 m"), "_space_group.IT_coordinate_system_code 2",
               cell="8.0806 8.0806 8.0806 90 90 90", sites=SPINEL)  # fmt: skip
    reading = read(tmp_path, text)
    assert content(reading) == {"Mg": 8, "Al": 16, "O": 32}
    assert not reading.warnings


# --- statements that disagree -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "atoms"),
    [
        ((loop("_symmetry_equiv_pos_as_xyz", "x,y,z"), symbol("F m -3 m")), 2),
        (("_space_group_name_Hall '-P 4 2 3'", symbol("F m -3 m")), 2),
        ((symbol("F m -3 m"), "_space_group_IT_number 221"), 8),
        ((symbol("P 1"), "_space_group_IT_number 221"), 2),
        ((loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "-x,-y,-z"), "_space_group_IT_number 1"), 2),
    ],
)
def test_what_counts_first_when_statements_disagree(tmp_path, lines, atoms):
    reading = read(tmp_path, cif(*lines))
    assert len(reading.table.numbers) == atoms
    assert kinds(reading) == ["conflict"]


def test_number_counts_beside_a_name_that_is_not_understood_if_it_leaves_nothing_open(tmp_path):
    reading = read(tmp_path, cif(symbol("F q -3 z"), "_space_group_IT_number 225"))
    assert content(reading) == NACL
    assert kinds(reading) == ["conflict"]
    for lines in [("P n m a (b,c,a)", 62), ("F d -3 m (c)", 227)]:
        text = cif(symbol(lines[0]), f"_space_group_IT_number {lines[1]}")
        assert refusal(read(tmp_path, text)).reason == "unknown symmetry"


def test_other_origin_or_setting_is_no_disagreement(tmp_path):
    ops = [op.triplet() for op in gemmi.find_spacegroup_by_name("F d -3 m:2").operations()]
    text = cif(loop("_symmetry_equiv_pos_as_xyz", *ops), symbol("F d -3 m"),
               "_space_group_IT_number 227", sites=("C1 C 0.125 0.125 0.125",))  # fmt: skip
    reading = read(tmp_path, text)
    assert content(reading) == {"C": 8}
    assert not reading.warnings


def test_list_that_lacks_operations_is_completed_by_the_group_it_names(tmp_path):
    ops = [op.triplet() for op in gemmi.find_spacegroup_by_name("F m -3 m").operations()]
    text = cif(loop("_symmetry_equiv_pos_as_xyz", *ops[:100]), symbol("F m -3 m"))
    reading = read(tmp_path, text)
    assert content(reading) == NACL
    assert kinds(reading) == ["generators"]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        symbol("F q -3 z"), symbol("nonsense"), symbol("F m -3 m (origin choice 3 of 2)"),
        symbol("F m -3 m :foo"), symbol("R 3 c :1"), symbol("F m -3 m (No. 221)"),
        symbol("x" * 10_000), "_space_group_IT_number 231", "_space_group_IT_number 0",
        "_space_group_IT_number -1", "_space_group_IT_number 9" * 1 + "9" * 40,
        "_space_group_name_Hall 'F q'", "_space_group_magn.name_BNS 'P_c4/mmm'",
        "_space_group_ssg_name 'P21/c(0b0)'", "_space_group.name_Schoenflies 'Oh.5'",
        loop("_symmetry_equiv_pos_as_xyz", "x,y"), loop("_symmetry_equiv_pos_as_xyz", "x,y,z,w"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "2*x,y,z"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "x/2,y,z"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "x,x,z"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "x+y,y,z"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "x+1/7,y,z"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "h,k,l"),
        loop("_symmetry_equiv_pos_as_xyz", "x,y,z", "-x,-y,z", "x,-y,-z"),
        loop("_symmetry_equiv_pos_as_xyz", *["x,y,z"] * 5000),
        loop("_space_group_symop_ssg_operation_algebraic", "x1,x2,x3,x4"),
    ],
)  # fmt: skip
def test_symmetry_that_is_not_understood_is_refused(tmp_path, lines):
    assert refusal(read(tmp_path, cif(lines))).reason == "unknown symmetry"


@pytest.mark.parametrize("lines", ["", "_symmetry_space_group_name_H-M ?",
                                   "_space_group_IT_number .\n_symmetry_equiv_pos_as_xyz ?",
                                   symbol("P 1"), symbol("P1"), "_space_group_IT_number 1",
                                   "_symmetry_cell_setting cubic"])  # fmt: skip
def test_no_symmetry_is_p1(tmp_path, lines):
    reading = read(tmp_path, cif(lines))
    assert content(reading) == {"Na": 1, "Cl": 1}
    assert not reading.warnings


@pytest.mark.parametrize(
    ("site", "reason"),
    [("Cl1 Cl ? 0.5 0.5", "unreadable"), ("Cl1 Cl . . .", "unreadable"),
     ("Cl1 Cl 0.5 0.5 x", "unreadable"), ("Cl1 Cl 1/0 0 0", "unreadable")],
)  # fmt: skip
def test_site_without_a_place_is_refused(tmp_path, site, reason):
    reading = read(tmp_path, cif(symbol("F m -3 m"), sites=(HALVES[0], site)))
    assert refusal(reading).reason == reason


# --- sites ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("0.333 0.667 0.25", 2), ("0.33 0.67 0.25", 2), ("0.333 0.666 0.25", 2),
        ("1/3 2/3 1/4", 2), ("0.3333(1) 0.6667(1) 0.25", 2), ("0.333333 0.666667 0.25", 2),
        ("0.34 0.66 0.25", 2), ("0.30 0.60 0.25", 6), ("0.3300 0.6700 0.25", 6),
        ("0.333 0.667 0.26", 4),
    ],
)  # fmt: skip
def test_images_within_the_rounding_are_one_site(place, count):
    text = cif(symbol("P 63/m m c"), cell="3.209 3.209 5.211 90 90 120",
               sites=(f"Mg1 Mg {place}",))  # fmt: skip
    assert len(formats.parse_text(text).numbers) == count


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5),
    st.sampled_from(["0,0,0", "1/3,2/3,0", "1/3,2/3,1/2", "0,0,1/2", "1/2,0,0", "1/6,1/3,1/2"]),
)
def test_rounding_never_changes_the_number_of_atoms(digits, place):
    """Special positions of P 6/m m m, written with any number of digits."""
    exact = [float(gemmi.Op(f"x+{part},y,z").tran[0]) / 24 for part in place.split(",")]
    group = gemmi.find_spacegroup_by_name("P 6/m m m")
    site = "Mg1 Mg {:.{d}f} {:.{d}f} {:.{d}f}".format(*exact, d=digits)
    text = cif(symbol("P 6/m m m"), cell="6 6 5 90 90 120", sites=(site,))
    expected = images(list(group.operations()), np.array(exact))
    parsed = formats.parse_text(text)
    assert len(parsed.numbers) == len(expected)
    found = np.array(orbit_of(parsed, 12))
    gaps = found[:, None] - np.array(expected)[None]
    assert np.abs(gaps - np.round(gaps)).max(axis=2).min(axis=1).max() < 10.0**-digits


@pytest.mark.parametrize(
    "name", ["Du", "X", "M", "Q", "Wat", "Va", "Vac", "Xx", "Dx", "OH", "NH4", "H2O", "none", "?"]
)
def test_what_is_no_element_is_refused(tmp_path, name):
    text = cif(sites=(HALVES[0], f"{name} {name} 0.5 0.5 0.5"))
    assert refusal(read(tmp_path, text)).reason == "unknown element"


@pytest.mark.parametrize(
    ("label", "kind", "element"),
    [("Na1", "Na+", "Na"), ("O1", "O2-", "O"), ("Fe1", "Fe3+", "Fe"), ("X1", "FE", "Fe"),
     ("D1", "D", "H"), ("T1", "T", "H"), ("Cl1", "?", "Cl"), ("CL2", ".", "Cl"), ("OW1", "?", "O")],
)  # fmt: skip
def test_species_of_sites(tmp_path, label, kind, element):
    reading = read(tmp_path, cif(sites=(f"{label} {kind} 0 0 0",)))
    assert content(reading) == {element: 1}


@pytest.mark.parametrize("name", ["Du", "X", "M", "Q", "Va", "Xx"])
def test_dummies_are_refused_in_all_formats(tmp_path, name):
    cell = "4 0 0\n0 4 0\n0 0 4"
    lattice = cell.replace("\n", " ")
    files = {
        "POSCAR": f"c\n1\n{cell}\nTi {name}\n1 1\ndirect\n0 0 0\n.5 .5 .5\n",
        "x.extxyz": f'2\nLattice="{lattice}" Properties=species:S:1:pos:R:3\n'
        f"Ti 0 0 0\n{name} 2 2 2\n",
        "x.xsf": f"CRYSTAL\nPRIMVEC\n{cell}\nPRIMCOORD\n2 1\nTi 0 0 0\n{name} 2 2 2\n",
        "x.json": '{"a": {"lattice": {"matrix": [[4,0,0],[0,4,0],[0,0,4]]}, "sites": [{"species": '
        f'[{{"element": "{name}", "occu": 1}}], "abc": [0, 0, 0]}}]}}}}',
    }
    for file, text in files.items():
        reading = formats.read(written(tmp_path / file, text))
        assert reading.refused_by_reason == {"unknown element": 1}, file


# --- warnings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "units", "kind"),
    [
        ("Na Cl", 4, None), ("Na4 Cl4", 1, None), ("Na4 Cl4", 4, None), ("Cl Na", None, None),
        ("Cl1 Na1", "4(1)", None), ("?", 4, None), ("(Na Cl)2", None, None),
        ("Na2 Cl", 4, "formula"), ("Na8 Cl8", None, "formula"), ("K Cl", None, "formula"),
        ("Na Cl", 2, "units"), ("?", 3, "units"), ("Na4 Cl4", 8, "units"),
    ],
)  # fmt: skip
def test_formula_that_the_cell_does_not_have_is_a_warning(tmp_path, formula, units, kind):
    lines = [f"_chemical_formula_sum '{formula}'"]
    lines += [] if units is None else [f"_cell_formula_units_Z {units}"]
    reading = read(tmp_path, cif(symbol("F m -3 m"), *lines))
    assert content(reading) == NACL
    assert kinds(reading) == ([kind] if kind else [])


def doubtful(folder):
    for number in range(30):
        sum_ = "Na2 Cl" if number % 3 == 0 else "Na Cl"
        text = cif(symbol("F m -3 m"), f"_chemical_formula_sum '{sum_}'")
        written(folder / f"{number:02}.cif", text)
    written(folder / "99.cif", cif(symbol("F q -3 z"), "_chemical_formula_sum 'Na2 Cl'"))
    return folder


def test_warnings_follow_their_items_through_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "CHUNK_ITEMS", 4)
    folder = doubtful(tmp_path)
    for workers in (1, 2):
        reading = formats.read(folder, workers=workers)
        assert [one.id for one in reading.warnings] == [f"{n:02}" for n in range(0, 30, 3)]
        ids = dict(zip(reading.items.tolist(), reading.table.ids, strict=True))
        assert all(ids[one.item] == one.id for one in reading.warnings)
        assert len(reading.refusals) == 1


def test_notes_count_crystals_and_give_an_example(tmp_path):
    reading = formats.read(doubtful(tmp_path))
    assert warning_notes(reading.warnings, "model") == (
        "10 crystals of model state a formula that their cell does not have "
        "(such as 00: Na2Cl against Na4Cl4).",
    )
    assert warning_notes(reading.warnings[:1], "model") == (
        "1 crystal of model states a formula that its cell does not have "
        "(00: Na2Cl against Na4Cl4).",
    )
    assert warning_notes((), "model") == ()
    assert set(kinds(reading)) <= set(WARNINGS)
