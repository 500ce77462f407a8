"""Energies above the hull against pymatgen and closed forms, and where references come from."""

import gzip
import json
import sys
from types import ModuleType

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from pymatgen.entries.computed_entries import (
    CompositionEnergyAdjustment,
    ComputedEntry,
    ComputedStructureEntry,
)

from matscale.energy.elements import elemental_prototypes
from matscale.energy.entries import download_entries, read_entries
from matscale.energy.hull import Entry, Hull, self_consistent, systems_of, within
from matscale.energy.potentials import potential
from matscale.energy.relax import RelaxSettings
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable

LI, OXYGEN, FE = 3, 8, 26


def crystal(*numbers: int) -> StructureTable:
    count = len(numbers)
    return StructureTable.from_parts(
        ["x"], [np.array(numbers)], [np.arange(3 * count).reshape(count, 3)], [np.eye(3) * 9]
    )


def above(hull: Hull, per_atom: float, *numbers: int) -> float:
    distances = hull.distances(crystal(*numbers), np.array([per_atom * len(numbers)]))
    return float(distances.values[0])


BINARY = [
    Entry(((LI, 1),), -1.0, "li"),
    Entry(((LI, 4),), -0.9, "worse li"),
    Entry(((OXYGEN, 2),), -3.0, "oxygen"),
    Entry(((LI, 2), (OXYGEN, 2)), -4.0, "LiO"),
]


def test_distances_to_tie_lines_in_closed_form():
    hull = Hull(BINARY)
    assert above(hull, -1.0, LI) == pytest.approx(0.0)
    assert above(hull, -0.9, LI, LI) == pytest.approx(0.1)
    assert above(hull, -4.0, LI, OXYGEN) == pytest.approx(0.0)
    # Halfway between Li and LiO, at -2.5 eV an atom.
    assert above(hull, -2.3, LI, LI, LI, OXYGEN) == pytest.approx(0.2)
    # Below the hull: more stable than every reference.
    assert above(hull, -2.75, LI, LI, LI, OXYGEN) == pytest.approx(-0.25)


def test_a_ternary_hull_is_that_of_pymatgen():
    random = np.random.default_rng(0)
    entries = [Entry(((z, 1),), -float(z) / 10, str(z)) for z in (LI, OXYGEN, FE)]
    for place in range(30):
        counts = random.integers(0, 4, 3)
        if (counts > 0).sum() > 1:
            cell = tuple((z, int(n)) for z, n in zip((LI, OXYGEN, FE), counts, strict=True) if n)
            entries.append(Entry(cell, float(random.normal(-2.5, 1)), str(place)))
    names = {LI: "Li", OXYGEN: "O", FE: "Fe"}
    theirs = []
    for entry in entries:
        formula = Composition({names[z]: n for z, n in entry.composition})
        theirs.append(PDEntry(formula, entry.energy * formula.num_atoms))
    diagram = PhaseDiagram(theirs)
    ours = Hull(entries)
    for entry, pymatgen in zip(entries, theirs, strict=True):
        numbers = [z for z, n in entry.composition for _ in range(n)]
        expected = diagram.get_e_above_hull(pymatgen)
        assert above(ours, entry.energy, *numbers) == pytest.approx(expected, abs=1e-9)


def test_missing_elements_are_named_for_each_structure():
    table = StructureTable.concatenate(
        [crystal(LI, OXYGEN), crystal(FE, OXYGEN, 92), crystal(LI), crystal(LI, OXYGEN)]
    )
    distances = Hull(BINARY).distances(table, np.array([-8.0, -1.0, -0.5, np.nan]))
    assert distances.missing == {1: ("Fe", "U")}
    assert distances.without_energy == (3,)
    assert distances.compounds.tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(distances.values, [0.0, np.nan, 0.5, np.nan])
    with pytest.raises(ValueError, match="Fe"):
        Hull(BINARY).energy(((LI, 1), (FE, 1)))


def test_a_hull_without_references_names_all_elements():
    distances = Hull([]).distances(crystal(OXYGEN, LI), np.array([1.0]))
    assert distances.missing == {0: ("Li", "O")}


def written_entries(corrected_by: float = -0.5) -> list[dict]:
    structure = crystal(LI, OXYGEN).to_pymatgen(0)
    adjustment = CompositionEnergyAdjustment(corrected_by, 1, name="oxide")
    return [
        ComputedEntry("Li2", -2.0, entry_id="mp-1").as_dict(),
        PDEntry(Composition("O2"), -6.0, name="oxygen").as_dict(),
        ComputedStructureEntry(structure, -8.0, energy_adjustments=[adjustment]).as_dict(),
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files_of_pymatgen_entries_are_read(tmp_path, packed, wrapped):
    content = {"entries": written_entries()} if wrapped else written_entries()
    path = tmp_path / "entries.json"
    text = json.dumps(content, default=str).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    found = read_entries(path)
    assert not found.refused
    assert [entry.energy for entry in found.entries] == pytest.approx([-1.0, -3.0, -4.25])
    assert [entry.id for entry in found.entries[:2]] == ["mp-1", "oxygen"]
    assert found.entries[2].composition == ((LI, 1.0), (OXYGEN, 1.0))
    raw = read_entries(path, corrected=False)
    assert raw.entries[2].energy == pytest.approx(-4.0)
    assert above(Hull(found.entries), -2.625, LI, LI, LI, OXYGEN) == pytest.approx(0.0)


def test_a_damaged_entry_is_refused_alone(tmp_path):
    path = tmp_path / "entries.json"
    bad = [
        {"composition": {"Xx": 1}, "energy": 1},
        {"composition": {"Li": 1}},
        {"composition": {"Li": 1}, "energy": float("nan")},
        {"composition": {"Li": -1}, "energy": 1},
        {"@class": "Popen", "@module": "subprocess", "composition": {"Li": 1}, "energy": 1},
        7,
    ]
    path.write_text(json.dumps([*bad, *written_entries()], default=str))
    found = read_entries(path)
    assert len(found.entries) == 3
    assert sorted(found.refused) == list(range(6))
    assert "Xx" in found.refused[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no file"),
        (b"{", "is not JSON"),
        (b"\x1f\x8bnonsense", "cannot be read"),
        (b'{"data": []}', 'hold one under "entries"'),
        (b"[]", "no usable entry"),
        (b'[{"composition": {"Li": 1}}]', "no usable entry of 1"),
    ],
)
def test_a_file_that_is_none_is_explained(tmp_path, content, says):
    path = tmp_path / "entries.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_entries(path)


def test_a_self_consistent_hull_of_copper_and_gold(tmp_path):
    ordered = bulk("Cu", cubic=True)
    ordered.symbols[0] = "Au"
    atoms = [bulk("Cu"), bulk("Au"), bulk("Ag"), ordered]
    train = StructureTable.from_ase(atoms, ids=["cu", "au", "ag", "cu3au"])
    generated = StructureTable.from_ase([ordered])
    systems = systems_of(generated)
    assert within(train, systems).tolist() == [0, 1, 3]
    emt = potential("ase.calculators.emt:EMT")
    found = self_consistent(train, systems, emt, settings=None, folder=tmp_path)
    assert [entry.id for entry in found.entries] == ["cu", "au", "cu3au"]
    for item, entry in zip([atoms[0], atoms[1], atoms[3]], found.entries, strict=True):
        copy = item.copy()
        copy.calc = EMT()
        assert entry.energy == pytest.approx(copy.get_potential_energy() / len(copy))
    relaxed = self_consistent(train, systems, emt, settings=RelaxSettings(), folder=tmp_path)
    assert all(
        after.energy <= before.energy
        for after, before in zip(relaxed.entries, found.entries, strict=True)
    )
    # Cu3Au is ordered and stable in EMT too: nothing of gold and copper lies below it.
    energy = found.entries[2].energy * 4
    value = Hull(found.entries[:2]).distances(generated, np.array([energy])).values[0]
    assert value == pytest.approx(
        found.entries[2].energy - 0.75 * found.entries[0].energy - 0.25 * found.entries[1].energy
    )


def test_elements_that_are_not_there_are_supplied_by_prototypes(tmp_path):
    ordered = bulk("Cu", cubic=True)
    ordered.symbols[0] = "Au"
    table = StructureTable.from_ase([ordered])
    emt = potential("ase.calculators.emt:EMT")
    found = self_consistent(
        table, systems_of(table), emt, settings=RelaxSettings(), prototypes=True, folder=tmp_path
    )
    assert found.supplied == {"Cu": "fcc", "Au": "fcc"}
    lattice_constants = {"Cu": 3.59, "Au": 4.06}  # EMT's, as ASE documents them
    for entry in found.entries[1:]:
        symbol = entry.id.split()[0]
        copy = bulk(symbol, a=lattice_constants[symbol])
        copy.calc = EMT()
        assert entry.energy == pytest.approx(copy.get_potential_energy(), abs=0.01)
    assert Hull(found.entries).missing(systems_of(table)[0]) == ()


def test_prototypes_are_the_structures_they_are_named_after():
    from moyopy import Cell, MoyoDataset

    table = elemental_prototypes([6])
    groups = {}
    for row, name in enumerate(table.ids):
        cell = table.lattices[row]
        fractions = table.row_positions(row) @ np.linalg.inv(cell)
        numbers = table.row_numbers(row).tolist()
        data = MoyoDataset(Cell(cell.tolist(), fractions.tolist(), numbers), symprec=1e-3)
        groups[name] = data.number
        apart = table.to_ase(row).get_all_distances(mic=True)
        nearest = (apart + 100 * np.eye(len(apart))).min()
        assert len(apart) == 1 or 1.4 < nearest < 1.8
    assert groups == {
        "C fcc": 225,
        "C bcc": 229,
        "C hcp": 194,
        "C diamond": 227,
        "C graphite": 194,
        "C grey arsenic": 166,
        "C grey selenium": 152,
        "C black phosphorus": 64,
        "C iodine": 64,
        "C nitrogen": 205,
        "C hydrogen": 205,
    }


def test_what_could_not_be_evaluated_is_counted():
    train = StructureTable.concatenate(
        [crystal(55), StructureTable.from_ase([bulk("Cu")])]  # EMT knows no caesium
    )
    emt = potential("ase.calculators.emt:EMT")
    found = self_consistent(train, systems_of(train), emt, settings=None)
    assert found.considered == 2
    assert found.left_out == {"failed": 1}
    assert len(found.entries) == 1


class EntryId:
    """As of mp-api 0.46, ids are objects that JSON does not know."""

    def __str__(self):
        return "mp-1-GGA"


class FakeRester:
    """The client's one method that is used; mp-api 0.46.5 was asked by hand over loopback."""

    calls: list = []  # noqa: RUF012

    def __init__(self, api_key, endpoint=None):
        self.key, self.endpoint = api_key, endpoint

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def get_entries_in_chemsys(self, elements, additional_criteria=None):
        FakeRester.calls.append((self.key, tuple(elements), additional_criteria))
        if "U" in elements:
            raise ConnectionError("no route to host")
        return [
            ComputedEntry("Li", -1.0, entry_id=EntryId()),
            ComputedEntry("Li2O2", -16.0, correction=-1.0, entry_id="mp-2-GGA"),
        ]


@pytest.fixture
def fake_client(monkeypatch):
    package, client = ModuleType("mp_api"), ModuleType("mp_api.client")
    client.MPRester = FakeRester
    monkeypatch.setitem(sys.modules, "mp_api", package)
    monkeypatch.setitem(sys.modules, "mp_api.client", client)
    monkeypatch.delenv("MP_API_KEY", raising=False)
    FakeRester.calls.clear()


def test_entries_of_the_materials_project_are_downloaded_once(tmp_path, fake_client):
    systems = [frozenset([OXYGEN, LI]), frozenset([LI])]
    path = download_entries(systems, tmp_path, key="secret")
    wanted = {"thermo_types": ["GGA_GGA+U"]}
    assert FakeRester.calls == [("secret", ("Li",), wanted), ("secret", ("Li", "O"), wanted)]
    assert "secret" not in gzip.decompress(path.read_bytes()).decode()
    found = read_entries(path)
    assert found.entries[0].id == "mp-1-GGA"
    assert [entry.energy for entry in found.entries] == pytest.approx([-1.0, -4.25])
    assert download_entries(systems, tmp_path, key="secret") == path
    assert len(FakeRester.calls) == 2


def test_a_download_that_fails_is_explained(tmp_path, fake_client, monkeypatch):
    with pytest.raises(UserError, match="MP_API_KEY"):
        download_entries([frozenset([LI])], tmp_path)
    monkeypatch.setenv("MP_API_KEY", "secret")
    with pytest.raises(UserError, match="no route to host"):
        download_entries([frozenset([92])], tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(UserError, match="pip install mp-api"):
        download_entries([frozenset([LI])], tmp_path)
