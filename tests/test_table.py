"""StructureTable: rows, joins, borders, hash."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymatgen.core import Lattice, Structure

from matscale.structures.table import StructureTable
from messages import handed_on

coordinate = st.floats(-50, 50, allow_subnormal=False)


@st.composite
def tables(draw, particles=None):
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=6))
    atoms = sum(lengths)
    crystals = not (draw(st.booleans()) if particles is None else particles)
    return StructureTable(
        ids=draw(st.lists(st.text(max_size=5), min_size=len(lengths), max_size=len(lengths))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        numbers=draw(hnp.arrays(np.uint8, atoms, elements=st.integers(1, 118))),
        positions=draw(hnp.arrays(float, (atoms, 3), elements=coordinate)),
        cells=draw(hnp.arrays(float, (len(lengths), 3, 3), elements=coordinate))
        if crystals
        else None,
        columns={"energy": draw(hnp.arrays(float, len(lengths), elements=coordinate))},
    )


@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_table_from_a_message_is_as_kernels_need_it(table):
    arrived = handed_on(table)
    assert arrived.sha256() == table.sha256()
    arrays = (arrived.offsets, arrived.numbers, arrived.positions)
    arrays += () if arrived.cells is None else (arrived.cells,)
    assert all(array.flags.aligned and array.flags.c_contiguous for array in arrays)


@given(tables(), st.data())
@settings(max_examples=60, deadline=None)
def test_rows_keep_their_own_atoms(table, data):
    rows = data.draw(st.lists(st.integers(-len(table), len(table) - 1), max_size=8))
    chosen = table[rows]
    assert len(chosen) == len(rows)
    for new, old in enumerate(row % len(table) for row in rows):
        assert chosen.ids[new] == table.ids[old]
        assert np.array_equal(chosen.row_numbers(new), table.row_numbers(old))
        assert np.array_equal(chosen.row_positions(new), table.row_positions(old))
        assert chosen.columns["energy"][new] == table.columns["energy"][old]
        if table.cells is not None:
            assert np.array_equal(chosen.cells[new], table.cells[old])


@given(tables())
@settings(max_examples=60, deadline=None)
def test_joining_single_rows_gives_the_table_back(table):
    joined = StructureTable.concatenate([table[row] for row in range(len(table))])
    assert joined.sha256() == table.sha256()
    assert (table.cells is None) == (joined.cells is None)


@given(tables(particles=False))
@settings(max_examples=30, deadline=None)
def test_ase_border_is_exact(table):
    back = StructureTable.from_ase(list(table.iter_ase()), ids=table.ids.tolist())
    assert np.array_equal(back.numbers, table.numbers)
    assert np.array_equal(back.positions, table.positions)
    assert np.array_equal(back.offsets, table.offsets)


def test_slice_mask_and_integer_choose_as_numpy_does():
    table = StructureTable.from_parts(
        list("abcd"),
        [np.full(n, n) for n in (1, 2, 3, 4)],
        [np.full((n, 3), float(n)) for n in (1, 2, 3, 4)],
        np.eye(3)[None] * np.arange(1, 5)[:, None, None],
    )
    assert table[1:3].ids.tolist() == ["b", "c"]
    assert table[::-1].numbers.tolist() == [4] * 4 + [3] * 3 + [2] * 2 + [1]
    assert table[np.array([True, False, False, True])].ids.tolist() == ["a", "d"]
    assert table[-1].ids.tolist() == ["d"]
    assert len(table[[]]) == 0
    with pytest.raises(IndexError):
        table[4]
    assert table.volumes.tolist() == pytest.approx([1, 8, 27, 64])


def test_pymatgen_border_keeps_lattice_species_and_sites():
    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]
    )
    table = StructureTable.from_pymatgen([salt], ids=["salt"])
    back = table.to_pymatgen(0)
    assert back == salt
    assert table.n_atoms.tolist() == [8]
    assert sorted(set(table.numbers.tolist())) == [11, 17]


def test_disordered_structures_do_not_come_in():
    alloy = Structure(Lattice.cubic(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(ValueError, match="disordered"):
        StructureTable.from_pymatgen([alloy])


def test_particles_have_no_cells():
    table = StructureTable.from_ase([Atoms("CO", [[0, 0, 0], [0, 0, 1.13]])])
    assert table.cells is None
    assert not table.to_ase(0).pbc.any()
    with pytest.raises(ValueError, match="particles"):
        _ = table.volumes


def test_crystals_and_particles_do_not_mix():
    particle = StructureTable.from_ase([Atoms("C")])
    crystal = StructureTable.from_ase([Atoms("C", cell=[3, 3, 3], pbc=True)])
    with pytest.raises(ValueError, match="cannot join"):
        StructureTable.concatenate([particle, crystal])


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ["z"]},
        {"numbers": np.array([7], np.uint8)},
        {"positions": np.array([[0, 0, 2e-6]])},
        {"cells": None},
        {"columns": {"x": np.array([2.0])}},
    ],
)
def test_hash_sees_each_field(change):
    base = {
        "ids": ["a"],
        "offsets": [0, 1],
        "numbers": np.array([6], np.uint8),
        "positions": np.zeros((1, 3)),
        "cells": np.eye(3)[None],
        "columns": {"x": np.array([1.0])},
    }
    assert StructureTable(**base).sha256() == StructureTable(**base).sha256()
    assert StructureTable(**base).sha256() != StructureTable(**{**base, **change}).sha256()


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": [0, 2]},
        {"offsets": [1, 1]},
        {"positions": np.zeros((2, 3))},
        {"cells": np.zeros((2, 3, 3))},
        {"columns": {"x": [1, 2]}},
    ],
)
def test_shapes_that_disagree_are_an_error(change):
    base = {
        "ids": ["a"],
        "offsets": [0, 1],
        "numbers": np.array([6], np.uint8),
        "positions": np.zeros((1, 3)),
        "cells": np.eye(3)[None],
    }
    with pytest.raises(ValueError):
        StructureTable(**{**base, **change})
