"""The particle metrics of C2NP (arXiv 2601.19076), to the letter, with their failures counted.

Where a hull or a histogram fails, the published evaluation returns 0, which is a perfect score.
So do these, and say so beside it.
"""

from __future__ import annotations

import math

import numpy as np

from matscale.metrics.particles.boxes import box_tree, hausdorff
from matscale.metrics.particles.columns import pair_histogram
from matscale.metrics.particles.scores import Scores, check_truth, unusable

RDF_BINS = 128
RDF_CUTOFF_A = 10.0
JOGGLED = "QJ"
"""Option of qhull: joggle the input until facets are simplices."""


def published(prediction: np.ndarray, truth: np.ndarray, radius: float) -> Scores:
    """The metrics in ``PUBLISHED`` of one particle; atoms are paired in order for the RMSD.

    Args:
        prediction: Positions (n, 3) in Å, possibly not finite.
        truth: Positions (m, 3) in Å; the RMSD fails where m is not n.
        radius: That was asked for, in Å.

    Raises:
        ValueError: The truth is empty or not finite.
    """
    prediction = np.asarray(prediction, np.float64).reshape(-1, 3)
    truth = np.asarray(truth, np.float64)
    check_truth(np.zeros(len(truth)), truth)
    reason = unusable(prediction)
    values = {"rmsd": math.nan, "hausdorff": math.nan}
    reasons = dict.fromkeys(values, reason) if reason else {}
    if not reason:
        values["hausdorff"] = hausdorff(box_tree(prediction), box_tree(truth))
        if len(prediction) == len(truth):
            values["rmsd"] = coordinate_rmsd(prediction, truth)
        else:
            reasons["rmsd"] = "atom_count"
    volumes = [math.nan if reason else joggled_hull_volume(prediction), joggled_hull_volume(truth)]
    energy = math.nan if reason else rdf_energy(prediction, truth)
    sphere = 4 / 3 * math.pi * radius**3
    for name, value, why in (
        ("delta_hull_volume", abs(volumes[0] - volumes[1]), "hull_failed"),
        ("rdf_energy", energy, "no_pairs"),
        ("volume_ratio", volumes[0] / sphere, "hull_failed"),
    ):
        failed = math.isnan(value)
        values[name] = 0.0 if failed else value
        if failed:
            reasons[name] = reason or why
    return Scores(values, reasons)


def coordinate_rmsd(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Root of the mean over all coordinates of the squared difference, in Å; (n, 3) each."""
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def joggled_hull_volume(positions: np.ndarray) -> float:
    """Volume of the convex hull of (n, 3) in Å³, NaN where qhull fails.

    Joggling gives a positive volume even to points that coincide, if it succeeds.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(positions, qhull_options=JOGGLED).volume)
    except (QhullError, ValueError):
        return math.nan


def rdf_energy(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Sum of squared differences of two density histograms of pair distances below 10 Å, in 1/Å².

    NaN where either has no pair below 10 Å.
    """
    width = RDF_CUTOFF_A / RDF_BINS
    counts = [pair_histogram(each, RDF_BINS, RDF_CUTOFF_A) for each in (prediction, truth)]
    if not all(count.any() for count in counts):
        return math.nan
    first, second = (count / count.sum() / width for count in counts)
    return float(((first - second) ** 2).sum())
