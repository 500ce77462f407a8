"""The matching engine against pymatgen's StructureMatcher on real crystals, verdict by verdict."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matscale.matching import batch
from matscale.matching.batch import MatchSettings
from matscale.matching.tolerances import STRUCTURE_PREDICTION, Tolerances

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
parity = pytest.importorskip("matching_parity")

CASES = [
    ("carbon24", "same size", MatchSettings(), 300),
    ("carbon24", "same size", MatchSettings(STRUCTURE_PREDICTION), 300),
    ("carbon24", "same size", MatchSettings(criterion="largest", scale=False), 300),
    ("carbon24", "any", MatchSettings(supercell=True, primitive=False, criterion="largest"), 150),
    ("carbon24", "copies", MatchSettings(criterion="largest"), 150),
    ("carbon24 predictions", "by id", MatchSettings(STRUCTURE_PREDICTION), 200),
    ("supercon3d predictions", "by id", MatchSettings(STRUCTURE_PREDICTION), 200),
    ("perov5", "copies", MatchSettings(), 100),
    ("perov5", "same size", MatchSettings(mode="framework", scale=False), 150),
    ("perov5", "same size", MatchSettings(mode="anonymous"), 60),
    ("generated", "same composition", MatchSettings(criterion="largest"), 100),
    ("crystals", "copies", MatchSettings(reduce=False, scale=False), 60),
]


@pytest.fixture(scope="module")
def table(data_dir):
    return lambda name: parity.table_of(name, data_dir)


@pytest.mark.parametrize(("name", "how", "settings", "count"), CASES)
def test_verdicts_and_values_are_pymatgens(table, name, how, settings, count):
    first, second, pairs = parity.draw(table(name), how, np.random.default_rng(5))
    pairs = pairs[:count]
    ours = batch.match_pairs(first, second, pairs, settings)
    theirs = parity.pymatgen_answers(first, second, pairs, settings)
    np.testing.assert_array_equal(ours.matched, np.isfinite(theirs))
    values = ours.rms if settings.criterion == "rms" else ours.largest
    np.testing.assert_allclose(values[ours.matched], theirs[ours.matched], rtol=0, atol=1e-6)
    counts = ours.counts
    assert counts.considered == len(pairs) == counts.tested + sum(counts.refused.values())
    assert counts.matched == ours.matched.sum()


@pytest.mark.parametrize("criterion", ["rms", "largest"])
@pytest.mark.parametrize("keep_first", [False, True])
@pytest.mark.parametrize(
    ("name", "how", "mode"),
    [("carbon24", "same size", "direct"), ("novelty", "same size", "framework")],
)
def test_which_match_is_kept_is_as_in_pymatgen(table, name, how, mode, criterion, keep_first):
    settings = MatchSettings(STRUCTURE_PREDICTION, mode, criterion, keep_first=keep_first)
    first, second, pairs = parity.draw(table(name), how, np.random.default_rng(8))
    pairs = pairs[:200]
    ours = batch.match_pairs(first, second, pairs, settings)
    theirs = parity.pymatgen_answers(first, second, pairs, settings)
    assert 10 < ours.matched.sum() < 190
    np.testing.assert_array_equal(ours.matched, np.isfinite(theirs))
    values = ours.rms if criterion == "rms" else ours.largest
    np.testing.assert_allclose(values[ours.matched], theirs[ours.matched], rtol=0, atol=1e-6)
    other = batch.match_pairs(first, second, pairs, replace(settings, keep_first=not keep_first))
    assert (np.abs(other.rms - ours.rms) > 1e-6).any()


def test_public_methods_give_the_same_verdicts(table):
    """``fit`` and ``get_rms_dist`` themselves, reduction and all, on raw carbon-24 crystals."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    first, second, pairs = parity.draw(table("carbon24"), "same size", np.random.default_rng(6))
    pairs = np.concatenate([pairs[:80], np.repeat(pairs[:10, :1], 2, axis=1)])
    matcher = StructureMatcher()
    fits = batch.match_pairs(first, second, pairs, MatchSettings(criterion="largest"))
    scores = batch.match_pairs(first, second, pairs)
    for place, (i, j) in enumerate(pairs):
        a, b = first.to_pymatgen(i), second.to_pymatgen(j)
        assert fits.matched[place] == matcher.fit(a, b)
        known = matcher.get_rms_dist(a, b)
        assert scores.matched[place] == (known is not None)
        if known:
            assert scores.rms[place] == pytest.approx(known[0], abs=1e-6)
            assert scores.largest[place] == pytest.approx(known[1], abs=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("tolerances", [Tolerances(), STRUCTURE_PREDICTION])
def test_groups_are_pymatgens(table, tolerances, symmetric):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    chosen = table("carbon24")[np.random.default_rng(7).choice(10_000, 90, replace=False)]
    label, counts = batch.group(chosen, MatchSettings(tolerances, symmetric=symmetric))
    structures = list(chosen.iter_pymatgen())
    place = {id(structure): row for row, structure in enumerate(structures)}
    matcher = StructureMatcher(tolerances.length, tolerances.site, tolerances.angle)
    known = np.empty(len(chosen), np.int64)
    for members in matcher.group_structures(structures, symmetric=symmetric):
        rows = [place[id(structure)] for structure in members]
        known[rows] = rows[0]
    np.testing.assert_array_equal(label, known)
    assert len(np.unique(label)) < len(chosen)
    assert counts.matched == len(chosen) - len(np.unique(label))


def novelty(data_dir):
    from matscale.structures.formats import read

    paths = (data_dir / "novelty" / f"{name}.jsonl.gz" for name in ("generated", "train"))
    return [read(path, workers=1).table for path in paths]


def test_reference_matches_of_the_novelty_data(data_dir):
    """The published workflow's framework matches of a slice: the same pairs, first and best."""
    generated, train = novelty(data_dir)
    reference = json.loads((data_dir / "novelty/reference_matches.json").read_text())
    known = {(i, j): rms for i, j, rms, *_ in reference["anonymous"] if train.n_atoms[j] <= 40}
    rows = np.array(sorted(i for i in {i for i, _ in known} if generated.n_atoms[i] <= 20)[:40])
    known = {pair: rms for pair, rms in known.items() if pair[0] in set(rows)}
    columns = np.flatnonzero(train.n_atoms <= 40)
    settings = MatchSettings(
        mode="framework", scale=False, reduce=False, supercell=True, keep_first=True
    )
    first = batch.match(generated[rows], train[columns], settings)
    found = dict(
        zip(
            zip(rows[first.first].tolist(), columns[first.second].tolist(), strict=True),
            first.rms,
            strict=True,
        )
    )
    assert found.keys() == known.keys()
    assert len(known) > 100
    for pair, rms in known.items():
        assert found[pair] == pytest.approx(rms, abs=1e-6)
    best = batch.match(generated[rows], train[columns], replace(settings, keep_first=False))
    np.testing.assert_array_equal(best.first, first.first)
    np.testing.assert_array_equal(best.second, first.second)
    assert (best.rms <= first.rms).all()
    assert 0 < best.counts.improved <= len(best)


def test_no_generated_crystal_duplicates_a_training_crystal(data_dir):
    generated, train = novelty(data_dir)
    assert len(batch.match(generated, train, batch.NOVELTY)) == 0
    own = batch.match(train[:300], train[:300], batch.NOVELTY)
    assert set(range(300)) <= set(own.first[own.first == own.second].tolist())
