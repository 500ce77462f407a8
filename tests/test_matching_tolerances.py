"""Tolerances that make no sense: each pair ends within the most work, and is named if it must."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from crystals import held_out
from matscale.matching import batch, engine
from matscale.matching.batch import MatchSettings
from matscale.matching.kernels.strict import MATCH, NO_MATCH, TOO_LARGE
from matscale.matching.tolerances import Tolerances
from matscale.structures.table import StructureTable

ABSURD = Tolerances(length=5.0, site=10.0, angle=1000.0)
ODD = [
    ABSURD,
    Tolerances(length=5.0),
    Tolerances(site=10.0),
    Tolerances(angle=1000.0),
    Tolerances(length=0.0),
    Tolerances(site=0.0),
    Tolerances(angle=0.0),
    Tolerances(length=1e12),
    Tolerances(length=1e300, site=1e300, angle=1e300),
    Tolerances(length=5e-324, site=5e-324, angle=5e-324),
]
LITTLE = 2e5
"""Work that takes a millisecond."""


def options():
    """All ways of comparing, as keywords."""
    ways = product(("direct", "framework", "anonymous"), *[(True, False)] * 3)
    for number, (mode, scale, supercell, primitive) in enumerate(ways):
        yield {
            "mode": mode, "scale": scale, "supercell": supercell, "primitive": primitive,
            "reduce": primitive or number % 3 > 0, "symmetric": number % 2 > 0,
            "criterion": ("rms", "largest")[number // 2 % 2], "keep_first": number % 5 > 2,
        }  # fmt: skip


@pytest.mark.parametrize("tolerances", ODD, ids=str)
def test_every_pair_has_a_verdict_within_its_work_or_is_named(tolerances, monkeypatch):
    """Whatever the options; the books add up."""
    monkeypatch.setattr(engine, "MOST_WORK", LITTLE)
    table = StructureTable.concatenate([held_out()[[0, 3]], random_crystals(2, 4)])
    rows = np.indices((len(table),) * 2).reshape(2, -1)
    for given in options():
        running = engine.Engine(table, table, MatchSettings(tolerances, **given))
        status, values, _ = running.run(*rows)
        tested = (status == NO_MATCH) | (status == MATCH)
        counts = running.counts(engine.tally(status), len(status), rows.T[status == TOO_LARGE])
        assert counts.considered == counts.tested + sum(counts.refused.values())
        assert counts.tested == tested.sum()
        assert len(counts.undecided) == counts.refused["too large"] == (status == TOO_LARGE).sum()
        assert np.isfinite(values[status == MATCH, :3]).all()
        for one, other in rows.T:
            running.run(np.array([one]), np.array([other]))
            with running.space(engine.POINTS) as space:
                done = space.arrays.work[1]
            # Between two looks at the work there is at most a pairing, of few sites here.
            assert done < 2 * LITTLE or not done < 1e8


@pytest.mark.parametrize("mode", ["direct", "anonymous"])
def test_a_match_stays_one_where_the_search_for_a_better_is_given_up(mode, monkeypatch):
    table = random_crystals(2, 6, elements=(6, 14))
    pair = table[:1], table[:1].with_ids(["again"])
    moved = StructureTable(
        pair[1].ids, pair[1].offsets, pair[1].numbers, pair[1].positions * 1.0, pair[1].lattices
    )
    moved.positions[0] += 0.05
    settings = MatchSettings(ABSURD, mode=mode)
    monkeypatch.setattr(engine, "MOST_WORK", 1e6)
    found = batch.match(pair[0], moved, settings)
    assert (found.counts.matched, found.counts.unsure) == (1, 1)
    assert found.counts.undecided == ()
    first = batch.match(pair[0], moved, replace(settings, keep_first=True))
    assert (first.counts.matched, first.counts.unsure) == (1, 0)
    assert found.rms[0] <= first.rms[0]
    sure = batch.match(pair[0], moved, MatchSettings(mode=mode)).counts
    assert (sure.matched, sure.unsure) == (1, 0)


def test_maps_of_elements_share_the_work_of_a_pair(monkeypatch):
    """Eight elements have 40,320 maps, each of which would be searched within the most work."""
    elements = np.array([3, 6, 9, 13, 17, 26, 29, 47])
    random = np.random.default_rng(0)
    cells = 5 * np.eye(3) + 0.3 * random.normal(size=(2, 3, 3))
    positions = [random.random((8, 3)) @ cell for cell in cells]
    table = StructureTable.from_parts(["a", "b"], [elements, elements], positions, cells)
    monkeypatch.setattr(engine, "MOST_WORK", 1e6)
    settings = MatchSettings(Tolerances(length=1.0, site=1e-3, angle=30.0), mode="anonymous")
    assert batch.match(table[:1], table[1:], settings).undecided.tolist() == [[0, 0]]


@pytest.mark.parametrize("field", ["length", "site", "angle"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
def test_what_is_no_tolerance_is_refused(field, value):
    with pytest.raises(ValueError, match="expected a number from 0 on"):
        MatchSettings(Tolerances(**{field: value}))


def random_crystals(count: int, sites: int, elements=(6,)) -> StructureTable:
    """Dense random cells."""
    random = np.random.default_rng(0)
    cells = (8.0 * sites) ** (1 / 3) * (np.eye(3) + 0.1 * random.normal(size=(count, 3, 3)))
    return StructureTable.from_parts(
        [f"c{k}" for k in range(count)],
        [random.permutation(np.resize(elements, sites)) for _ in range(count)],
        [random.random((sites, 3)) @ cell for cell in cells],
        cells,
    )
