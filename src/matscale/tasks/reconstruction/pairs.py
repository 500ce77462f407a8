"""Scores of predictions against their targets, pair by pair; both protocols stand on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from matscale.matching import batch
from matscale.matching.described import CHUNK, Description, split_rows
from matscale.matching.tolerances import STRUCTURE_PREDICTION
from matscale.metrics import lattice, sites
from matscale.metrics.transport import earth_movers_distance
from matscale.runtime.memory import Memory
from matscale.structures import chemistry
from matscale.structures.table import StructureTable

TOLERANCES = STRUCTURE_PREDICTION
SETTINGS = batch.MatchSettings(tolerances=TOLERANCES)
"""As ``StructureMatcher.get_rms_dist`` with the tolerances of AtomBench."""

CLOSE = replace(TOLERANCES, site=0.3)
"""A ``stol`` at which atoms at random pass for a crystal more rarely."""
_CLOSE_SETTINGS = batch.MatchSettings(tolerances=CLOSE)


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
        rms_angstrom: The same times (V/n)^(1/3) of the average cell, (n,).
        matched_closely: Whether the matcher accepts the pair at the tolerance :data:`CLOSE` too,
            (n,) bool.
        amd_distance: Chebyshev distance of the AMD vectors in Å, (n,).
        pdd_distance: Earth mover's distance of the PDDs in Å, (n,).
        undecided: Whether the pair was too large to decide; it counts as not matched, (n,) bool.
    """

    target: np.ndarray
    predicted: np.ndarray
    target_volume: np.ndarray
    volume_error: np.ndarray
    composition_right: np.ndarray
    rms: np.ndarray
    rms_angstrom: np.ndarray
    matched_closely: np.ndarray
    amd_distance: np.ndarray
    pdd_distance: np.ndarray
    undecided: np.ndarray

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
    found = match_described(targets, predictions, pairs)
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
        rms=found.rms,
        rms_angstrom=found.rms_angstrom,
        matched_closely=matched_closely(targets, predictions, pairs, found.rms),
        amd_distance=sites.chebyshev(targets.amd[pairs[:, 0]], predictions.amd[pairs[:, 1]]),
        pdd_distance=_distances(targets, predictions, pairs, memory, label),
        undecided=found.undecided,
    )


def match_described(
    targets: Description,
    predictions: Description,
    pairs: np.ndarray,
    settings: batch.MatchSettings = SETTINGS,
) -> batch.PairScores:
    """Match pairs of described crystals, prediction to target; see :func:`score_pairs`."""
    # One thread: a pair takes 20 µs, and whoever scores many models does so beside this one.
    return batch.match_pairs(predictions.table, targets.table, pairs[:, ::-1], settings, workers=1)


def matched_closely(
    targets: Description, predictions: Description, pairs: np.ndarray, rms: np.ndarray
) -> np.ndarray:
    """Which pairs, whose rms (n,) is known, the matcher accepts at :data:`CLOSE` too, (n,) bool.

    A smaller ``stol`` leaves out mappings that move one atom far and so never lowers the rms: what
    is above it already is not matched again. What is below it is, for that mapping may be one that
    is left out.
    """
    accepted = np.zeros(len(pairs), bool)
    near = np.flatnonzero(rms <= CLOSE.site)
    accepted[near] = match_described(targets, predictions, pairs[near], _CLOSE_SETTINGS).matched
    return accepted


def reduced_composition(table: StructureTable, row: int) -> chemistry.Composition:
    """Reduced composition of one row."""
    return chemistry.reduced(chemistry.composition(table.row_numbers(row)))


def _distances(
    targets: Description,
    predictions: Description,
    pairs: np.ndarray,
    memory: Memory,
    label: str,
) -> np.ndarray:
    """Earth mover's distance of the PDDs of each pair in Å, (n,)."""
    chunks = []
    for start in range(0, len(pairs), CHUNK):
        rows = pairs[start : start + CHUNK]
        pdds = (
            [targets.pdd[row] for row in rows[:, 0]],
            [predictions.pdd[row] for row in rows[:, 1]],
        )
        lengths = [np.array([len(pdd) for pdd in side]) for side in pdds]
        joined = [np.concatenate(side) for side in pdds]
        chunks.append((*joined, *lengths))
    answers = memory.map(_pair_chunk, chunks, label=label)
    return np.concatenate([np.empty(0), *(answer["pdd"] for answer in answers)])


def _pair_chunk(chunk: tuple) -> dict[str, np.ndarray]:
    target_pdd, predicted_pdd, target_lengths, predicted_lengths = chunk
    pdd = [
        earth_movers_distance(target, predicted)
        for target, predicted in zip(
            split_rows(target_pdd, target_lengths),
            split_rows(predicted_pdd, predicted_lengths),
            strict=True,
        )
    ]
    return {"pdd": np.array(pdd)}
