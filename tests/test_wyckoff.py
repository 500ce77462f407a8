"""Wyckoff matching: the reference file row for row, cases by hand, and invariances."""

import gzip
import json
from dataclasses import dataclass, replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from crystals import described_otherwise, held_out, perovskite, rock_salt, training, wurtzite
from matscale.matching.wyckoff import matches as wyckoff_matches
from matscale.matching.wyckoff import positions as wyckoff
from matscale.matching.wyckoff.positions import WyckoffTable, orbits_of, symmetry_of
from matscale.runtime.memory import Memory
from matscale.structures.chemistry import pettifor_distance
from matscale.structures.pymatgen_data import wyckoff_relabelings
from matscale.structures.table import StructureTable

match = wyckoff_matches.wyckoff_matches
TIE = (104, 786)
"""The one reference row whose cost hangs on the last bits of coordinates."""


def found(*structures: Structure) -> WyckoffTable:
    return symmetry_of(StructureTable.from_pymatgen(structures), workers=1)


def caesium_chloride(a: float, first: str, second: str) -> Structure:
    return Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def shifted(structure: Structure, vector: list[float]) -> Structure:
    return structure.copy().translate_sites(range(len(structure)), vector)


def costs(matches: wyckoff_matches.WyckoffMatches) -> dict[tuple[int, int], tuple[float, float]]:
    pairs = zip(matches.generated.tolist(), matches.train.tolist(), strict=True)
    values = zip(matches.uniform.tolist(), matches.pettifor.tolist(), strict=True)
    return dict(zip(pairs, values, strict=True))


def differing(left: dict, right: dict) -> set[tuple[int, int]]:
    """Pairs in both whose costs differ."""
    return {
        pair
        for pair in left.keys() & right.keys()
        if not np.allclose(left[pair], right[pair], rtol=0, atol=1e-9)
    }


# --- the reference file ----------------------------------------------------------------------


@dataclass
class Novelty:
    tables: tuple[StructureTable, StructureTable]
    fractions: tuple[np.ndarray, np.ndarray]
    """Fractional coordinates to the last bit as the reference saw them."""
    expected: dict[tuple[int, int], tuple[float, float]]
    spglib: tuple[WyckoffTable, WyckoffTable]
    moyopy: tuple[WyckoffTable, WyckoffTable]


def crystals_of(path: Path) -> tuple[StructureTable, np.ndarray]:
    with gzip.open(path, "rt") as file:
        records = [json.loads(line) for line in file]
    cells = [np.array(record["structure"]["lattice"]["matrix"]) for record in records]
    sites = [record["structure"]["sites"] for record in records]
    points = [np.array([site["abc"] for site in structure]) for structure in sites]
    numbers = [
        np.array([atomic_numbers[site["species"][0]["element"]] for site in structure])
        for structure in sites
    ]
    positions = [point @ cell for point, cell in zip(points, cells, strict=True)]
    ids = [record["id"] for record in records]
    return StructureTable.from_parts(ids, numbers, positions, cells), np.concatenate(points)


@pytest.fixture(scope="module")
def novelty(data_dir: Path) -> Novelty:
    names = ("generated", "train")
    loaded = [crystals_of(data_dir / "novelty" / f"{name}.jsonl.gz") for name in names]
    tables = tuple(table for table, _ in loaded)
    rows = json.loads((data_dir / "novelty" / "reference_matches.json").read_text())["wyckoff"]
    return Novelty(
        tables=tables,
        fractions=tuple(points for _, points in loaded),
        expected={(one, other): (uniform, cost) for one, other, uniform, cost in rows},
        spglib=tuple(symmetry_of(table, engine="spglib", workers=1) for table in tables),
        moyopy=tuple(symmetry_of(table, workers=1) for table in tables),
    )


def test_reference_row_for_row(novelty):
    sides = [
        replace(side, fractions=points)
        for side, points in zip(novelty.spglib, novelty.fractions, strict=True)
    ]
    matches = match(*sides)
    answer = costs(matches)
    assert len(novelty.expected) == 319
    assert answer.keys() == novelty.expected.keys()
    assert not differing(answer, novelty.expected)
    assert matches.counts["considered"] == 150 * 2473
    assert matches.counts["failed"] == matches.counts["unequal_cells"] == 0


def test_reference_from_cartesian_positions(novelty):
    answer = costs(match(*novelty.spglib))
    assert answer.keys() == novelty.expected.keys()
    assert differing(answer, novelty.expected) == {TIE}


def test_one_reference_cost_is_decided_by_rounding_noise(novelty):
    # Sites of an orbit tie in x; which comes first, and so which orbits pair, hangs on 1e-15.
    generator = np.random.default_rng(0)
    sides = [side.table[[row]] for side, row in zip(novelty.spglib, TIE, strict=True)]
    described = [symmetry_of(side, workers=1) for side in sides]
    seen = set()
    for _ in range(40):
        noisy = [
            replace(
                side, fractions=side.fractions + generator.normal(0, 1e-15, side.fractions.shape)
            )
            for side in described
        ]
        seen.update(cost for _, cost in costs(match(*noisy)).values())
    assert len(seen) > 1
    assert max(seen) - min(seen) > 1


def test_moyopy_differs_only_where_it_finds_another_space_group(novelty):
    answer = costs(match(*novelty.moyopy))
    disagreed = [
        ours.groups != theirs.groups
        for ours, theirs in zip(novelty.moyopy, novelty.spglib, strict=True)
    ]
    assert [int(rows.sum()) for rows in disagreed] == [5, 25]
    for one, other in answer.keys() ^ novelty.expected.keys():
        assert disagreed[0][one] or disagreed[1][other]
    assert len(answer.keys() & novelty.expected.keys()) == 310
    assert differing(answer, novelty.expected) == {TIE}


def test_atom_maps_bear_the_costs(novelty):
    matches = match(*novelty.moyopy)
    generated, train = novelty.moyopy
    for place, (one, other) in enumerate(costs(matches)):
        atoms = matches.atom_map(place)
        assert sorted(atoms) == list(range(len(atoms)))
        old = train.table.row_numbers(other)
        new = generated.table.row_numbers(one)[atoms]
        assert matches.pettifor[place] == pytest.approx(pettifor_distance(new, old).mean())
        assert matches.uniform[place] == pytest.approx((new != old).mean())
        # The sites of an orbit take the sites of one orbit.
        owners = set(
            zip(
                train.orbits[train.table.offsets[other] :][: len(atoms)].tolist(),
                generated.orbits[generated.table.offsets[one] + atoms].tolist(),
                strict=True,
            )
        )
        assert len(owners) == len({left for left, _ in owners}) == len({r for _, r in owners})


def test_pairing_by_element_is_the_cheapest(novelty):
    by_position = costs(match(*novelty.moyopy))
    by_element = costs(match(*novelty.moyopy, pairing="element"))
    assert by_position.keys() == by_element.keys()
    tables = [orbits_of(side) for side in novelty.moyopy]
    tried = 0
    for (one, other), (uniform, cost) in by_element.items():
        assert cost <= by_position[one, other][1] + 1e-12
        first, second = tables[0][one], tables[1][other]
        if len(first.letters) <= 5:
            tried += 1
            assert (cost, uniform) == pytest.approx(cheapest_by_trial(first, second))
    assert tried > 100


def cheapest_by_trial(first, second):
    """Pettifor and uniform cost of the best of all one-to-one maps of orbits."""
    best = []
    relabelings = wyckoff_relabelings()[first.group]
    for left, right in product(relabelings, relabelings):
        here, there = first.letters.translate(left), second.letters.translate(right)
        for order in permutations(range(len(there))):
            if all(here[k] == there[place] for k, place in enumerate(order)):
                elements = second.elements[list(order)]
                distance = first.sizes @ pettifor_distance(first.elements, elements)
                changed = first.sizes @ (first.elements != elements)
                best.append((distance / first.sizes.sum(), changed / first.sizes.sum()))
    return min(best)


# --- cases by hand ---------------------------------------------------------------------------


def test_rock_salt_costs_by_hand():
    matches = match(found(rock_salt(5.6, "Na", "Cl")), found(rock_salt(6.6, "K", "Br")))
    # Na 10, K 9; Cl 100, Br 99 on the scale: (1 + 1) / 2.
    assert costs(matches) == {(0, 0): (1.0, 1.0)}


def test_rock_salt_never_matches_caesium_chloride():
    matches = match(found(rock_salt(5.6, "Na", "Cl")), found(caesium_chloride(4.1, "Cs", "Cl")))
    assert len(matches) == len(matches.atoms) == 0
    assert matches.counts["same_group"] == matches.counts["matched"] == 0


@pytest.mark.parametrize("pairing", ["position", "element"])
def test_swapped_origin_of_rock_salt_costs_nothing(pairing):
    salt = rock_salt(5.6, "Na", "Cl")
    swapped = shifted(salt, [0.5, 0.5, 0.5])
    matches = match(found(salt), found(swapped, rock_salt(5.6, "Cl", "Na")), pairing=pairing)
    assert costs(matches) == {(0, 0): (0.0, 0.0), (0, 1): (0.0, 0.0)}


@pytest.mark.parametrize("pairing", ["position", "element"])
def test_perovskites_with_either_cation_at_the_origin(pairing):
    titanate = perovskite(3.9, "Sr", "Ti", "O")
    barium = shifted(perovskite(4.0, "Ba", "Ti", "O"), [0.5, 0.5, 0.5])
    matches = match(found(titanate), found(barium), pairing=pairing)
    # Sr 14, Ba 13 on the scale; one site in five.
    assert costs(matches)[0, 0] == pytest.approx((0.2, 0.2))
    new = [38, 22, 8, 8, 8]
    assert [new[place] for place in matches.atom_map(0)] == [38, 22, 8, 8, 8]


def test_orbits_of_one_letter_pair_by_position_or_by_element():
    zincite = wurtzite(3.25, 5.2, "Zn", "O")
    reversed_axis = wurtzite(3.25, 5.2, "O", "Zn")
    sides = found(zincite), found(reversed_axis)
    assert costs(match(*sides, pairing="element")) == {(0, 0): (0.0, 0.0)}
    # Zn 73, O 96 on the scale; each takes the other's place.
    assert costs(match(*sides)) == {(0, 0): (1.0, 23.0)}


def test_supercells_keep_costs_and_map_every_site():
    salt, large = rock_salt(5.6, "Na", "Cl"), rock_salt(6.6, "K", "Br").make_supercell([2, 1, 1])
    matches = match(found(salt), found(large))
    assert costs(matches) == {(0, 0): (1.0, 1.0)}
    assert matches.counts["unequal_cells"] == 1
    taken = np.array(salt.atomic_numbers)[matches.atom_map(0)].tolist()
    assert {tuple(pair) for pair in zip(taken, large.atomic_numbers, strict=True)} == {
        (11, 19),
        (17, 35),
    }


def test_sequences_name_the_prototype():
    described = symmetry_of(held_out(), workers=1)
    assert described.sequences[0] == "225 ab"
    assert described.sequences[3] == "221 abc"
    assert described.sequences[6] == "136 af"
    assert described.sequences[9] == "186 bb"


# --- invariances -----------------------------------------------------------------------------


def test_relabelings_of_each_space_group_form_a_group():
    # What lets one side of a pair be relabeled, and sequences stand for candidates.
    assert sorted(wyckoff_relabelings()) == list(range(1, 231))
    for relabelings in wyckoff_relabelings().values():
        tables = {tuple(sorted(one.items())) for one in relabelings}
        joined = {
            tuple(sorted((code, other[ord(letter)]) for code, letter in one.items()))
            for one, other in product(relabelings, relabelings)
        }
        assert joined == tables


HELD_OUT = list(held_out().iter_pymatgen())
TRAINING = symmetry_of(training(), workers=1)
EXPECTED = costs(match(symmetry_of(held_out(), workers=1), TRAINING, pairing="element"))


@settings(max_examples=60, deadline=None)
@given(row=st.integers(0, len(HELD_OUT) - 1), seed=st.integers(0, 10**6))
def test_origin_cell_orientation_and_order_do_not_matter(row, seed):
    other = found(described_otherwise(HELD_OUT[row], seed))
    assert other.sequences.tolist() == found(HELD_OUT[row]).sequences.tolist()
    answer = costs(match(other, TRAINING, pairing="element"))
    expected = {pair[1]: cost for pair, cost in EXPECTED.items() if pair[0] == row}
    assert {pair[1] for pair in answer} == expected.keys()
    for (_, train), cost in answer.items():
        assert cost == pytest.approx(expected[train])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_order_of_rows_and_sites_does_not_matter(novelty, seed):
    generator = np.random.default_rng(seed)
    rows = generator.permutation(40)
    described = novelty.tables[0]
    parts = [generator.permutation(described.n_atoms[row]) for row in rows]
    shuffled = StructureTable.from_parts(
        [described.ids[row] for row in rows],
        [described.row_numbers(row)[part] for row, part in zip(rows, parts, strict=True)],
        [described.row_positions(row)[part] for row, part in zip(rows, parts, strict=True)],
        described.lattices[rows],
    )
    train = novelty.moyopy[1]
    straight = costs(match(symmetry_of(described[:40], workers=1), train))
    answer = costs(match(symmetry_of(shuffled, workers=1), train))
    back = {(int(rows[one]), other): cost for (one, other), cost in answer.items()}
    assert back.keys() == straight.keys()
    assert not differing(back, straight)


def test_workers_and_chunks_do_not_matter(novelty, monkeypatch):
    straight = match(*novelty.moyopy)
    monkeypatch.setattr(wyckoff, "CHUNK", 50)
    monkeypatch.setattr(wyckoff_matches, "CHUNK", 25)
    other = symmetry_of(novelty.tables[0], workers=2)
    for name in ("groups", "letters", "orbits", "fractions", "reasons"):
        np.testing.assert_array_equal(getattr(other, name), getattr(novelty.moyopy[0], name))
    parallel = match(other, novelty.moyopy[1], workers=2)
    for name in ("generated", "train", "uniform", "pettifor", "offsets", "atoms"):
        np.testing.assert_array_equal(getattr(parallel, name), getattr(straight, name))


def test_memory_keeps_answers(tmp_path, monkeypatch):
    table = held_out()
    first = symmetry_of(table, memory=Memory(tmp_path, workers=1))
    monkeypatch.setattr(wyckoff, "_ENGINES", {})
    second = symmetry_of(table.with_ids(table.ids[::-1]), memory=Memory(tmp_path, workers=1))
    assert second.sequences.tolist() == first.sequences.tolist()
    assert second.table.ids[0] == table.ids[-1]
    with pytest.raises(KeyError):  # another tolerance is another question
        symmetry_of(table, symprec=0.1, memory=Memory(tmp_path, workers=1))


# --- failures --------------------------------------------------------------------------------


def unfit_table() -> StructureTable:
    cell = 4 * np.eye(3)
    origin = np.zeros((1, 3))
    return StructureTable.from_parts(
        ["empty", "not finite", "flat", "coincident", "large", "good"],
        [np.array(z) for z in ([], [1], [1], [1, 1], [1] * 9, [1])],
        [
            np.empty((0, 3)),
            origin + np.nan,
            origin,
            np.zeros((2, 3)),
            np.arange(27.0).reshape(9, 3) / 8,
            origin,
        ],
        [cell, cell, np.diag([4.0, 4.0, 0.0]), cell, cell, cell],
    )


@pytest.mark.parametrize("engine", ["moyopy", "spglib"])
def test_failures_leave_a_reason_and_stay_counted(engine, monkeypatch):
    monkeypatch.setattr(wyckoff, "MOST_ATOMS", 8)
    described = symmetry_of(unfit_table(), engine=engine, workers=1)
    assert described.failed.tolist() == [True] * 5 + [False]
    assert described.reasons[0] == "no atoms"
    assert "not finite" in described.reasons[1]
    assert "without volume" in described.reasons[2]
    assert described.reasons[3].startswith(f"{engine}: ")
    assert described.reasons[4] == "9 atoms, more than 8"
    assert described.reasons[5] == ""
    assert described.sequences.tolist() == [""] * 5 + ["221 a"]
    matches = match(described, described)
    assert costs(matches) == {(5, 5): (0.0, 0.0)}
    assert matches.counts["considered"] == 36
    assert matches.counts["failed"] == 35
    assert matches.counts["generated_failed"] == matches.counts["train_failed"] == 5


def test_empty_tables_match_nothing():
    nothing = symmetry_of(StructureTable.empty())
    assert len(nothing) == len(match(nothing, TRAINING)) == len(match(TRAINING, nothing)) == 0


def test_wrong_settings_are_refused():
    table = held_out()
    with pytest.raises(ValueError, match="symprec is 0"):
        symmetry_of(table, symprec=0)
    with pytest.raises(ValueError, match="moyopy, spglib"):
        symmetry_of(table, engine="spg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="position, element"):
        match(TRAINING, TRAINING, pairing="nearest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"at 0\.1 Å"):
        match(symmetry_of(table, symprec=0.1, workers=1), TRAINING)
    with pytest.raises(ValueError, match="particles"):
        symmetry_of(StructureTable(["x"], [0, 1], [1], [[0, 0, 0]]))
