"""Verdicts where a site is half a cell from its partner, so that two images are equally near."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Lattice, Structure

from matscale.matching.batch import MatchSettings, match_pairs
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


def test_the_verdict_does_not_hang_on_the_last_digits():
    """Pymatgen's does: for the same two crystals it finds the match or not, by rounding."""
    rng = np.random.default_rng(3)
    for scale in (1e-15, 1e-12, 1e-9, 1e-7, 1e-6):
        for order in itertools.permutations(PAIR):
            for _ in range(20):
                rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
                moved = [
                    Structure(
                        one.lattice.matrix @ rotation,
                        one.species,
                        (one.cart_coords + rng.normal(size=(4, 3)) * scale) @ rotation,
                        coords_are_cartesian=True,
                    )
                    for one in order
                ]
                found = ask(*moved)
                assert found.matched[0]
                assert found.rms[0] == pytest.approx(0.2918, abs=1e-4)


def layered(moves):
    """Two crystals of four layers each; in the second, sites are moved by so much of a along a."""
    lattice = Lattice.orthorhombic(3.0, 3.4, 16.0)
    heights = [0.0, 0.21, 0.5, 0.77]
    place = [[0.13, 0.2, z] for z in heights]
    other = [[0.13 + move, 0.2, z] for move, z in zip(moves, heights, strict=True)]
    return [Structure(lattice, ["Cu", "Ag", "Au", "Pt"], sites) for sites in (place, other)]


@pytest.mark.parametrize(
    "moved", [one for one in itertools.product([0, 1], repeat=4) if 0 < sum(one) < 4]
)
def test_images_are_chosen_as_where_there_is_no_tie(moved):
    """A hair away from the tie, to the same side for all sites, pymatgen decides it at once."""
    options = {"mode": "direct", "criterion": "rms"}
    matcher = StructureMatcher(stol=0.3, scale=False, primitive_cell=False, attempt_supercell=True)
    beside = matcher.get_rms_dist(*layered([one * 0.4999 for one in moved]))
    found = ask(*layered([one * 0.5 for one in moved]), **options)
    assert found.matched[0] == (beside is not None)
    if beside is not None:
        assert found.rms[0] == pytest.approx(beside[0], abs=1e-3)


def test_what_is_too_far_with_every_image_is_refused():
    far = [structure.copy() for structure in PAIR]
    far[1].translate_sites([3], [0.0, 0.0, 0.12])
    assert pymatgens().get_rms_dist(*far) is None
    assert not ask(*far).matched[0]
