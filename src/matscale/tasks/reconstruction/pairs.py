"""Scores of predictions against their targets, pair by pair; both protocols stand on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matscale.execution import Memory
from matscale.matching import matcher
from matscale.metrics import lattice, sites
from matscale.structures import chemistry
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.describe import CHUNK, Description, split_rows

TOLERANCES = matcher.STRUCTURE_PREDICTION


@dataclass(frozen=True)
class PairScores:
    """Scores of n pairs, in canonical cells. NaN where a quantity is not defined for the pair.

    Attributes:
        target: Lattice parameters of the targets, (n, 6) in Å and degrees.
        predicted: Of the predictions, (n, 6).
        target_volume: Cell volumes of the targets in Å^3, (n,).
        volume_error: Relative error of the volume per atom, (n,).
        composition_right: Whether the reduced compositions agree, (n,) bool.
        rms: StructureMatcher's dimensionless rms, (n,); NaN where the pair does not match.
        rms_angstrom: The same times (V/n)^(1/3), V/n the geometric mean of both volumes per atom,
            which is the volume that the matcher scales both crystals to, (n,).
        amd_distance: Chebyshev distance of the AMD vectors in Å, (n,).
        pdd_distance: Earth mover's distance of the PDDs in Å, (n,).
    """

    target: np.ndarray
    predicted: np.ndarray
    target_volume: np.ndarray
    volume_error: np.ndarray
    composition_right: np.ndarray
    rms: np.ndarray
    rms_angstrom: np.ndarray
    amd_distance: np.ndarray
    pdd_distance: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> PairScores:
        """The scores of some of the pairs, by a boolean mask or indices."""
        return PairScores(**{name: values[rows] for name, values in vars(self).items()})

    @property
    def matched(self) -> np.ndarray:
        """Whether the matcher accepts the pair, (n,) bool."""
        return np.isfinite(self.rms)


def score_pairs(
    targets: Description,
    predictions: Description,
    pairs: np.ndarray,
    memory: Memory,
    *,
    label: str,
) -> PairScores:
    """Score pairs of described crystals.

    Args:
        targets: The described targets.
        predictions: The described predictions.
        pairs: (n, 2): row of the target's canonical table, row of the prediction's.
        memory: Where known answers are found.
        label: For the progress display.
    """
    wanted, answered = targets.table[pairs[:, 0]], predictions.table[pairs[:, 1]]
    rms, pdd = _distances(targets, predictions, pairs, memory, label)
    volumes = wanted.volumes / wanted.n_atoms, answered.volumes / answered.n_atoms
    parameters = targets.parameters[pairs[:, 0]], predictions.parameters[pairs[:, 1]]
    right = [
        reduced_composition(wanted, row) == reduced_composition(answered, row)
        for row in range(len(pairs))
    ]
    return PairScores(
        target=parameters[0],
        predicted=parameters[1],
        target_volume=wanted.volumes,
        volume_error=lattice.volume_error(*volumes),
        composition_right=np.array(right, dtype=bool),
        rms=rms,
        rms_angstrom=rms * (volumes[0] * volumes[1]) ** (1 / 6),
        amd_distance=sites.chebyshev(targets.amd[pairs[:, 0]], predictions.amd[pairs[:, 1]]),
        pdd_distance=pdd,
    )


def reduced_composition(table: StructureTable, row: int) -> chemistry.Composition:
    """Reduced composition of one row."""
    return chemistry.reduced(chemistry.composition(table.row_numbers(row)))


def _distances(
    targets: Description,
    predictions: Description,
    pairs: np.ndarray,
    memory: Memory,
    label: str,
) -> tuple[np.ndarray, np.ndarray]:
    chunks = []
    for start in range(0, len(pairs), CHUNK):
        rows = pairs[start : start + CHUNK]
        pdds = (
            [targets.pdd[row] for row in rows[:, 0]],
            [predictions.pdd[row] for row in rows[:, 1]],
        )
        lengths = [np.array([len(pdd) for pdd in side]) for side in pdds]
        joined = [np.concatenate(side) for side in pdds]
        chunks.append((targets.table[rows[:, 0]], predictions.table[rows[:, 1]], *joined, *lengths))
    answers = memory.map(_pair_chunk, chunks, label=label)
    rms = np.concatenate([np.empty(0), *(answer["rms"] for answer in answers)])
    pdd = np.concatenate([np.empty(0), *(answer["pdd"] for answer in answers)])
    return rms, pdd


def _pair_chunk(chunk: tuple) -> dict[str, np.ndarray]:
    targets, predictions, target_pdd, predicted_pdd, target_lengths, predicted_lengths = chunk
    structure_matcher = matcher.structure_matcher(TOLERANCES)
    rms = [
        matcher.rms_distance(
            structure_matcher, predictions.to_pymatgen(row), targets.to_pymatgen(row)
        )
        for row in range(len(targets))
    ]
    pdd = [
        sites.earth_movers_distance(target, predicted)
        for target, predicted in zip(
            split_rows(target_pdd, target_lengths),
            split_rows(predicted_pdd, predicted_lengths),
            strict=True,
        )
    ]
    return {"rms": np.array(rms), "pdd": np.array(pdd)}
