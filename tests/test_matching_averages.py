"""The bound that refuses mappings whose sites cannot come together on average."""

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.util.coord import lattice_points_in_supercell

from matscale.matching.batch import NOVELTY, match_pairs
from matscale.matching.kernels.averages import NEVER, average_possible, cost_of_averages
from matscale.matching.kernels.pairing import AVERAGE, S1, S2, STEPS
from matscale.matching.kernels.placements import Question
from matscale.matching.kernels.workspace import workspace
from matscale.matching.outcomes import MatchSettings
from matscale.structures.table import StructureTable

SPACE = workspace(200, 1 << 10)
LIMIT, STOL = 0.7, 0.3


def question(n, base, *, base_is_1):
    return Question(
        n, len(base), n // len(base), base_is_1, base, np.zeros(6), 0, np.zeros(257, np.int64),
        (0.2, STOL, 5.0), True, True, 1, 0.0, 0.0,
    )  # fmt: skip


def ask(cell, base, steps, target, *, base_is_1):
    """Whether the bound lets a target pass: cell of the base, its sites, supercell, target."""
    SPACE.arrays.small[STEPS] = steps
    SPACE.arrays.small[AVERAGE] = steps @ cell
    SPACE.arrays.sites[S2 if base_is_1 else S1, : len(target)] = target
    asked = question(len(target), base, base_is_1=base_is_1)
    assert cost_of_averages(asked, SPACE) < NEVER
    return average_possible(asked, LIMIT, SPACE)


def a_base(rng):
    cell = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag(rng.uniform(2.5, 5, 3))
    cell += rng.normal(0, 0.4, (3, 3))
    steps = np.diag(rng.integers(1, 4, 3)).astype(float)
    steps[1, 0], steps[2, 1] = rng.integers(-1, 2, 2)
    return cell, rng.random((rng.integers(1, 6), 3)), steps


def repeated(base, steps):
    """Fractional coordinates in the supercell of all sites of the base."""
    points = lattice_points_in_supercell(steps)
    return ((base @ np.linalg.inv(steps))[:, None] + points).reshape(-1, 3)


@pytest.mark.parametrize("base_is_1", [True, False])
def test_what_lies_near_enough_is_never_refused(base_is_1):
    rng = np.random.default_rng(4)
    for _ in range(150):
        cell, base, steps = a_base(rng)
        ideal = repeated(base, steps)
        moves = rng.normal(size=ideal.shape)
        moves -= moves.mean(axis=0)
        rms = np.sqrt((moves**2).sum(axis=1).mean())
        if not rms:
            continue
        moves *= 0.999 * LIMIT / rms
        target = ideal + (moves + rng.uniform(-9, 9, 3)) @ np.linalg.inv(steps @ cell)
        target = rng.permutation(target + rng.integers(-2, 3, target.shape))
        assert ask(cell, base, steps, target, base_is_1=base_is_1)


def test_what_lies_elsewhere_is_mostly_refused():
    rng = np.random.default_rng(5)
    cell = 3.9 * np.eye(3)
    base = np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    steps = 2 * np.eye(3)
    asked = [ask(cell, base, steps, rng.random((40, 3)), base_is_1=False) for _ in range(40)]
    assert sum(asked) < 4
    assert ask(cell, base, steps, repeated(base, steps), base_is_1=False)


def test_verdicts_on_distorted_supercells_are_pymatgens():
    rng = np.random.default_rng(6)
    small = Structure(Lattice.cubic(3.2), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    targets = []
    for amplitude in (0.6, 0.85, 0.95, 1.2):
        target = small * (2, 2, 2)
        for site, move in enumerate(rng.normal(0, amplitude / np.sqrt(3), (16, 3))):
            target.translate_sites([site], move, frac_coords=False)
        targets.append(target)
    settings = MatchSettings(
        tolerances=NOVELTY.tolerances, mode="framework", criterion="rms", scale=False,
        reduce=False, supercell=True, keep_first=True,
    )  # fmt: skip
    first = StructureTable.from_pymatgen(targets)
    second = StructureTable.from_pymatgen([small])
    rows = np.column_stack([np.arange(len(targets)), np.zeros(len(targets), int)])
    found = match_pairs(first, second, rows, settings, workers=1)
    matcher = StructureMatcher(
        ltol=0.2, stol=0.3, angle_tol=5, primitive_cell=False, scale=False,
        attempt_supercell=True, comparator=FrameworkComparator(),
    )  # fmt: skip
    expected = [matcher.get_transformation(target, small) is not None for target in targets]
    assert found.matched.tolist() == expected
    assert len(set(expected)) == 2
