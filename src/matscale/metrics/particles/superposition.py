"""The rigid superposition of two particles whose atoms are not paired.

A sphere cut from a cubic crystal has no principal axes: its inertia tensor is isotropic. Poses
are therefore proposed in three ways: by the principal frames in all 24 proper orders and senses,
by pairs of atoms of the true core that have their like in the predicted core about the centroid,
and, only where these do not fit, by the same about every atom near the centre, which finds
particles cut about another centre. The proposals that fit the core best are refined outwards by
iterated closest points (Besl and McKay, IEEE TPAMI 14, 239, 1992) of the same species.
All of it depends on distances alone, not on where the prediction lies or how it is turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from matscale.metrics.particles.boxes import BoxTree, box_tree, nearest
from matscale.runtime.exact import settled

CORE_ATOMS = 80
_ANCHORS = 6  # pairs of true atoms that poses are proposed from
_SLACK_A = 0.7  # by which distances of corresponding atoms may differ
_PROPOSALS = 600
_ALIKE = 100  # atoms that may stand for one true atom
_PROMISING = 24  # as many as a cube has rotations
_SAME_A = 1.0
_SAME_COSINE = 0.95  # 18 degrees
_REFINED = 3
_STEPS = 12
_SAMPLE = 1500  # atoms that closest points are iterated over
_ISOTROPIC = 1e-6  # of the largest moment, by which equal moments may differ
_FITS_A = 0.5  # median core distance below which no further proposals are made
_ORIGIN_A = 4.0  # how far from the centroid another centre is looked for


@dataclass(frozen=True)
class Pose:
    """A rigid motion: x maps to ``rotation @ x + shift``."""

    rotation: np.ndarray
    shift: np.ndarray

    def moved(self, positions: np.ndarray) -> np.ndarray:
        """Positions (n, 3) moved."""
        return positions @ self.rotation.T + self.shift

    def inverse(self) -> Pose:
        """The motion back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.shift)


@dataclass(frozen=True)
class SpeciesTrees:
    """A particle in trees, one per species.

    Attributes:
        numbers: Atomic numbers, (n,).
        positions: In Å, (n, 3).
        trees: By atomic number: the places of its atoms, (k,), and the tree over them.
    """

    numbers: np.ndarray
    positions: np.ndarray
    trees: dict[int, tuple[np.ndarray, BoxTree]]

    @classmethod
    def of(cls, numbers: np.ndarray, positions: np.ndarray) -> SpeciesTrees:
        """Trees over atoms (n,), (n, 3)."""
        places = {int(one): np.flatnonzero(numbers == one) for one in np.unique(numbers)}
        trees = {one: (place, box_tree(positions[place])) for one, place in places.items()}
        return cls(numbers, positions, trees)

    def nearest(
        self, numbers: np.ndarray, queries: np.ndarray, missing: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Place of the nearest atom of the same species and its distance in Å, (m,) each.

        Place -1 and distance ``missing`` where there is no such species.
        """
        rows = np.full(len(queries), -1, np.int64)
        distances = np.full(len(queries), float(missing))
        for species, (places, tree) in self.trees.items():
            chosen = np.flatnonzero(numbers == species)
            if len(chosen):
                found, distances[chosen] = nearest(tree, queries[chosen])
                rows[chosen] = places[found]
        return rows, distances


def kabsch(moving: np.ndarray, fixed: np.ndarray) -> Pose:
    """The proper motion of least squares of one set of points onto another, paired in order.

    W. Kabsch, Acta Cryst. A32, 922 (1976).

    Args:
        moving: (n, 3).
        fixed: (n, 3).
    """
    centre, goal = moving.mean(axis=0), fixed.mean(axis=0)
    rotation = turning_rotations(((moving - centre).T @ (fixed - goal))[None])[0]
    return Pose(rotation, goal - rotation @ centre)


def turning_rotations(covariances: np.ndarray) -> np.ndarray:
    """Proper rotations R of least squares, R x ~ y, from sums of x yᵀ; (p, 3, 3) each."""
    left, _, right = np.linalg.svd(covariances)
    signs = np.sign(np.linalg.det(left) * np.linalg.det(right))
    right = right.copy()
    right[:, 2] *= signs[:, None]
    return np.einsum("pki,pjk->pij", right, left)


def superpose(truth: SpeciesTrees, prediction: SpeciesTrees, missing: float) -> Pose:
    """The best motion found of the true particle onto the prediction.

    Args:
        truth: The particle that moves.
        prediction: The particle that it is moved onto.
        missing: Distance in Å that an atom counts whose species the other particle lacks.
    """
    away = np.linalg.norm(truth.positions - truth.positions.mean(axis=0), axis=1)
    away = settled(away)
    order = np.argsort(away, kind="stable")
    core = order[:CORE_ATOMS]
    best: list[Pose] = []
    for proposals in ((_principal_poses, _central_poses), (_atomic_poses,)):
        poses = [
            pose
            for propose in proposals
            for pose in _fitting(truth, prediction, core, propose(truth, prediction, core), missing)
        ]
        poses = _ranked(truth, prediction, poses, missing)[:_REFINED]
        best += [_refined(truth, prediction, pose, order, away, missing) for pose in poses]
        best = _ranked(truth, prediction, best, missing, step=1)[:1]
        moved = best[0].moved(truth.positions[core])
        if np.median(prediction.nearest(truth.numbers[core], moved, missing)[1]) < _FITS_A:
            break
    return best[0]


def _ranked(
    truth: SpeciesTrees,
    prediction: SpeciesTrees,
    poses: list[Pose],
    missing: float,
    step: int | None = None,
) -> list[Pose]:
    """Poses by rising Chamfer distance, over every ``step``-th atom of both particles."""
    largest = max(len(truth.numbers), len(prediction.numbers))
    step = step or max(1, largest // _SAMPLE)
    scores = [chamfer_of(truth, prediction, pose, missing, step) for pose in poses]
    return [poses[i] for i in np.argsort(settled(scores), kind="stable")]


def chamfer_of(
    truth: SpeciesTrees, prediction: SpeciesTrees, pose: Pose, missing: float, step: int = 1
) -> float:
    """Mean of both directions' mean distances to the nearest of the same species in Å.

    Args:
        truth: The particle that moves.
        prediction: The other.
        pose: How it moves.
        missing: Distance in Å where the other particle lacks the species.
        step: Only every so manieth atom is looked at.
    """
    there, back = distances_between(truth, prediction, pose, missing, step)
    return float((there.mean() + back.mean()) / 2)


def distances_between(
    truth: SpeciesTrees, prediction: SpeciesTrees, pose: Pose, missing: float, step: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in Å to the nearest of the same species: of true atoms (m,), of predicted (n,)."""
    moved = pose.moved(truth.positions[::step])
    back = pose.inverse().moved(prediction.positions[::step])
    return (
        prediction.nearest(truth.numbers[::step], moved, missing)[1],
        truth.nearest(prediction.numbers[::step], back, missing)[1],
    )


Poses = tuple[np.ndarray, np.ndarray]
"""Rotations (p, 3, 3) and shifts (p, 3) in Å."""


def _principal_poses(truth: SpeciesTrees, prediction: SpeciesTrees, core: np.ndarray) -> Poses:
    centre, goal = truth.positions.mean(axis=0), prediction.positions.mean(axis=0)
    frames = [_frame(truth.positions - centre), _frame(prediction.positions - goal)]
    rotations = np.array([frames[1] @ turn @ frames[0].T for turn in _proper_permutations()])
    return rotations, goal - rotations @ centre


def _frame(points: np.ndarray) -> np.ndarray:
    """Principal axes of points (n, 3) about the origin as the columns of a rotation, (3, 3).

    Where moments are equal any axes are principal, and which ones come out would hang on the last
    digits: there they point to the farthest atoms, the first of equally far ones.
    """
    moments, axes = np.linalg.eigh(points.T @ points)
    equal = np.diff(moments) <= _ISOTROPIC * moments[-1]
    if equal.all():
        axes = _axes_to_farthest(points, [])
    elif equal.any():
        axes = _axes_to_farthest(points, [axes[:, 2 if equal[0] else 0]])
    axes[:, 0] *= np.sign(np.linalg.det(axes))
    return axes


def _axes_to_farthest(points: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """Three perpendicular axes as columns: the given ones, then to the atoms farthest from them."""
    for _ in range(len(axes), 2):
        # Behind the atoms stand unit vectors, for atoms that all lie on the axes so far.
        rest = np.concatenate([points, 1e-3 * np.eye(3)])
        for axis in axes:
            rest = rest - (rest @ axis)[:, None] * axis
        away = np.linalg.norm(rest, axis=1)
        far = int(settled(away).argmax())
        axes = [*axes, rest[far] / away[far]]
    first, second = axes
    return np.column_stack([first, second, np.cross(first, second)])


def _proper_permutations() -> list[np.ndarray]:
    """The 24 rotations of a cube onto itself."""
    turns = [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
    return [turn for turn in turns if np.linalg.det(turn) > 0]


def _central_poses(truth: SpeciesTrees, prediction: SpeciesTrees, core: np.ndarray) -> Poses:
    return _anchored(
        truth, prediction, core, truth.positions.mean(axis=0), [prediction.positions.mean(axis=0)]
    )


def _atomic_poses(truth: SpeciesTrees, prediction: SpeciesTrees, core: np.ndarray) -> Poses:
    origin = core[0]
    away = np.linalg.norm(prediction.positions - prediction.positions.mean(axis=0), axis=1)
    away = settled(away)
    near = np.argsort(away, kind="stable")
    alike = near[prediction.numbers[near] == truth.numbers[origin]]
    goals = alike[: max(1, int((away[alike] <= _ORIGIN_A).sum()))][:40]
    return _anchored(
        truth, prediction, core, truth.positions[origin], list(prediction.positions[goals])
    )


def _anchored(
    truth: SpeciesTrees,
    prediction: SpeciesTrees,
    core: np.ndarray,
    centre: np.ndarray,
    goals: list[np.ndarray],
) -> Poses:
    """Poses that bring a centre onto a goal and two true atoms near two predicted ones."""
    points, numbers = truth.positions[core] - centre, truth.numbers[core]
    found = [
        (*_alike(points, numbers, first, second, prediction, goal), goal)
        for first, second in _anchor_pairs(points)
        for goal in goals
    ]
    mismatch = np.concatenate([one[0] for one in found]) if found else np.empty(0)
    if not len(mismatch):
        return np.empty((0, 3, 3)), np.empty((0, 3))
    chosen = np.argsort(settled(mismatch), kind="stable")[:_PROPOSALS]
    rotations = turning_rotations(np.concatenate([one[1] for one in found])[chosen])
    places = np.repeat([one[2] for one in found], [len(one[0]) for one in found], axis=0)[chosen]
    return rotations, places - rotations @ centre


def _anchor_pairs(points: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of outer core atoms that are neither together nor opposite, seen from the centre."""
    away = settled(np.linalg.norm(points, axis=1))
    outer = np.flatnonzero(away >= settled(0.6 * away.max()))[::-1]
    taken = 0
    for first in outer:
        cosines = points[outer] @ points[first] / (away[outer] * away[first] + 1e-30)
        across = outer[np.abs(cosines) < 0.77]
        if len(across) and taken < _ANCHORS:
            taken += 1
            yield int(first), int(across[taken % len(across)])


def _alike(
    points: np.ndarray,
    numbers: np.ndarray,
    first: int,
    second: int,
    prediction: SpeciesTrees,
    goal: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mismatch (p,) and covariance (p, 3, 3) of predicted pairs that resemble a true pair."""
    ends = []
    for atom in (first, second):
        members = prediction.trees.get(int(numbers[atom]), (np.empty(0, np.int64), None))[0]
        offsets = prediction.positions[members] - goal
        gaps = np.linalg.norm(offsets, axis=1) - np.linalg.norm(points[atom])
        near = np.flatnonzero(np.abs(gaps) < _SLACK_A)
        near = near[np.argsort(settled(np.abs(gaps[near])), kind="stable")[:_ALIKE]]
        ends.append((offsets[near], gaps[near]))
    (heads, head_gaps), (tails, tail_gaps) = ends
    gaps = np.linalg.norm(heads[:, None] - tails[None], axis=2)
    gaps -= np.linalg.norm(points[first] - points[second])
    mismatch = head_gaps[:, None] ** 2 + tail_gaps[None] ** 2 + gaps**2
    i, j = np.nonzero(np.abs(gaps) < _SLACK_A)
    covariances = points[first][:, None] * heads[i][:, None] + (
        points[second][:, None] * tails[j][:, None]
    )
    return mismatch[i, j], covariances


def _fitting(
    truth: SpeciesTrees,
    prediction: SpeciesTrees,
    core: np.ndarray,
    poses: Poses,
    missing: float,
) -> list[Pose]:
    """The poses that bring the true core nearest to predicted atoms, made to fit it better."""
    rotations, shifts = poses
    if not len(rotations):
        return []
    moved = np.einsum("pij,nj->pni", rotations, truth.positions[core]) + shifts[:, None]
    numbers = np.tile(truth.numbers[core], len(rotations))
    distances = prediction.nearest(numbers, moved.reshape(-1, 3), missing)[1]
    means = distances.reshape(len(rotations), -1).mean(axis=1)
    chosen = _distinct(rotations, shifts, means)
    return [
        _closest_points(truth, prediction, Pose(rotations[i], shifts[i]), core, missing)
        for i in chosen
    ]


def _distinct(rotations: np.ndarray, shifts: np.ndarray, scores: np.ndarray) -> list[int]:
    """The best of the poses, none of them nearly another: pseudosymmetry has many good ones."""
    left = np.argsort(settled(scores), kind="stable")
    chosen: list[int] = []
    while len(left) and len(chosen) < _PROMISING:
        best = left[0]
        chosen.append(int(best))
        cosines = (np.einsum("ij,pij->p", rotations[best], rotations[left]) - 1) / 2
        near = np.linalg.norm(shifts[left] - shifts[best], axis=1) < _SAME_A
        left = left[~((cosines > _SAME_COSINE) & near)]
    return chosen


def _refined(
    truth: SpeciesTrees,
    prediction: SpeciesTrees,
    pose: Pose,
    order: np.ndarray,
    away: np.ndarray,
    missing: float,
) -> Pose:
    """Closest points over growing spheres; what is far from any partner has no say."""
    reach, most = away[order[:CORE_ATOMS]].max(), away.max()
    while True:
        inside = order[: int((away <= reach * (1 + 1e-9)).sum())]
        chosen = inside[:: max(1, len(inside) // _SAMPLE)]
        pose = _closest_points(truth, prediction, pose, chosen, missing)
        if reach >= most:
            return pose
        reach = min(1.5 * reach, most)


def _closest_points(
    truth: SpeciesTrees, prediction: SpeciesTrees, pose: Pose, chosen: np.ndarray, missing: float
) -> Pose:
    points, numbers = truth.positions[chosen], truth.numbers[chosen]
    before: np.ndarray | None = None
    for _ in range(_STEPS):
        partners, distances = prediction.nearest(numbers, pose.moved(points), missing)
        usable = partners >= 0
        if usable.sum() < 3:
            return pose
        usable &= distances <= 2.5 * np.median(distances[usable]) + 1e-3
        partners = np.where(usable, partners, -1)
        if usable.sum() < 3 or (before is not None and (partners == before).all()):
            return pose
        before = partners
        pose = kabsch(points[usable], prediction.positions[partners[usable]])
    return pose
