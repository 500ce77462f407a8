"""Verdicts where a site is half a cell from its partner, so that two images are equally near."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Lattice, Structure

from matscale.matching.batch import MatchSettings, match_pairs
from matscale.matching.prepare import prepare
from matscale.structures.cells import GAINED, as_written
from matscale.structures.table import StructureTable

CASE = json.loads((Path(__file__).parent / "cases" / "tie_pair.json").read_text())
PAIR = [Structure.from_dict(CASE[side]["structure"]) for side in ("first", "second")]
OPTIONS = {"mode": "framework", "scale": False, "primitive": False, "supercell": True}


def ask(first, second, **options):
    table = StructureTable.from_pymatgen([first, second])
    return match_pairs(table, table, np.array([[0, 1]]), MatchSettings(**(OPTIONS | options)))


def pymatgens():
    return StructureMatcher(
        comparator=FrameworkComparator(), scale=False, primitive_cell=False, attempt_supercell=True
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("criterion", ["rms", "largest"])
@pytest.mark.parametrize("first", [True, False])
def test_a_tie_of_images_is_no_reason_to_refuse(order, criterion, first):
    one, other = (PAIR[place] for place in order)
    found = ask(one, other, criterion=criterion, keep_first=first)
    assert found.matched[0]
    assert found.rms[0] == pytest.approx(CASE["pymatgen"]["_match(use_rms=True)"], abs=1e-9)
    assert found.largest[0] == pytest.approx(CASE["pymatgen"]["largest"], abs=1e-9)


def test_rounding_of_positions_decides_nothing():
    """Positions differ by a few last bits from processor to processor: fractions come back."""
    rng = np.random.default_rng(3)
    table = StructureTable.from_pymatgen(PAIR)
    how = MatchSettings(**OPTIONS)
    known = match_pairs(table, table, np.array([[0, 1], [1, 0]]), how)
    assert known.matched.all()
    for _ in range(100):
        ulps = rng.integers(-2, 3, table.positions.shape) * np.spacing(table.positions)
        moved = replace(table, positions=table.positions + ulps)
        found = match_pairs(moved, moved, np.array([[0, 1], [1, 0]]), how)
        np.testing.assert_array_equal(found.rms, known.rms)


def test_off_the_tie_the_verdicts_are_pymatgens_still():
    """Moved by more than rounding, the pair matches or not as chance has it: in both alike."""
    rng = np.random.default_rng(4)
    verdicts = []
    for scale in (1e-9, 1e-6, 1e-4):
        for order in itertools.permutations(PAIR):
            for _ in range(60):
                moved = [one.copy() for one in order]
                for one in moved:
                    for site in range(len(one)):
                        step = rng.normal(size=3) * scale
                        one.translate_sites([site], step, frac_coords=False)
                # pymatgen remembers what it reduced, and takes what is as good as equal for it.
                StructureMatcher._get_reduced_istructure.cache_clear()
                theirs = pymatgens().get_rms_dist(*moved)
                found = ask(*moved)
                assert found.matched[0] == (theirs is not None)
                verdicts.append(bool(found.matched[0]))
    assert 0 < verdicts.count(False) < 20


def test_what_is_too_far_with_every_image_is_refused():
    far = [structure.copy() for structure in PAIR]
    far[1].translate_sites([3], [0.0, 0.0, 0.12])
    assert pymatgens().get_rms_dist(*far) is None
    assert not ask(*far).matched[0]


CELLS = st.tuples(*[st.floats(2.5, 30.0)] * 3, *[st.floats(60.0, 120.0)] * 3)
WRITTEN = st.one_of(
    st.integers(-24, 48).map(lambda part: part / 24),
    st.decimals(-1, 2, places=6).map(float),
    st.decimals(0, 1, places=10).map(float),
)


@settings(max_examples=100, deadline=None)
@given(CELLS, st.lists(st.tuples(WRITTEN, WRITTEN, WRITTEN), min_size=1, max_size=8))
def test_fractions_come_back_from_positions_as_they_were_written(cell, sites):
    lattice = Lattice.from_parameters(*cell)
    assume(lattice.volume > 0.3 * np.prod(lattice.abc))
    fractions = np.array(sites)
    structure = Structure(lattice, ["H"] * len(sites), fractions)
    table = StructureTable.from_pymatgen([structure])
    np.testing.assert_array_equal(table.to_pymatgen(0).frac_coords, fractions)
    one = prepare(table, reduce=False, to_primitive=False, ltol=0.2, atol=5.0)
    np.testing.assert_array_equal(one.frac, fractions)


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1))
def test_what_is_as_written_stays_and_nothing_moves_far(values):
    fractions = np.array(values)
    found = as_written(fractions)
    assert (np.abs(found - fractions) <= 3 * GAINED).all()
    np.testing.assert_array_equal(as_written(found), found)
