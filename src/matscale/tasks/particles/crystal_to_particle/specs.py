"""What the metrics of the crystal-to-particle task are, and how its results are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matscale.datasets import papers
from matscale.metrics.particles import neighbourhoods as near
from matscale.metrics.particles.paired import COORDINATION_CUTOFF_A
from matscale.metrics.particles.published import RDF_BINS, RDF_CUTOFF_A
from matscale.metrics.particles.shapes import RDF_BIN_A
from matscale.metrics.particles.shapes import RDF_CUTOFF_A as SHELLS_TO_A
from matscale.results.compared import ComparedTask
from matscale.results.metric import MAIN, MetricSpec, by_name, error, share
from matscale.results.result import Protocol

REBUILT, COVERAGE = "rebuilt", "coverage"
REBUILT_A = 0.1
"""Chamfer distance in Å up to which a particle counts as rebuilt."""

_COUNTS_DIFFER = "numbers of atoms differ"
_SIZE, _NEIGHBOURS, _SUPERPOSED = "size", "neighbourhoods", "superposed"
_PAIRED = "atoms paired in order"
_OUTER, _INNER = (f"{100 * part:g} %" for part in near.QUARTERS)
_PARTS = {
    "": "",
    "_surface": f" Of the {_OUTER} of the atoms furthest from the centroid.",
    "_interior": f" Of the {_INNER} of the atoms nearest to the centroid.",
}


def _error(
    name: str, label: str, unit: str, definition: str, where: str = "", **more: Any
) -> MetricSpec:
    own = {"missing": "no particle that can be measured", "column": name}
    return error(name, label, unit, definition, where=where, **(own | more))


def _by_part(
    name: str, label: str, unit: str, definition: str, where: str, group: str, paper: str = ""
) -> list[MetricSpec]:
    """A metric of all atoms, of the surface and of the interior; the first is compared."""
    return [
        _error(
            name + suffix,
            label + suffix.replace("_", ", "),
            unit,
            definition + of,
            "" if suffix else where,
            group=group,
            paper=paper,
        )
        for suffix, of in _PARTS.items()
    ]


_COVERAGE = share(
    COVERAGE,
    "coverage",
    "Share of the particles asked for whose prediction can be read and scored.",
    verb="gives a particle that can be scored",
    column=COVERAGE,
    group=_SIZE,
)

_SOUND = (
    share(
        REBUILT,
        "rebuilt",
        "Share of the particles asked for whose prediction, superposed, has a Chamfer distance of "
        f"at most {REBUILT_A:g} Å, species by species.",
        verb="rebuilds the particle",
        column=REBUILT,
        missing="no samples",
        headline=("rebuilds", "of {n} particles"),
    ),
    _COVERAGE,
    _error(
        "atom_count_error",
        "atom count error",
        "",
        "Difference in the number of atoms over the true number.",
        "in the number of atoms, as a fraction of it",
        percent=True,
        group=_SIZE,
    ),
    _error(
        "composition_error",
        "composition error",
        "",
        "Total variation between the shares of the elements: the share of atoms of the wrong one.",
        "in composition, as a share of the atoms",
        percent=True,
        range=(0, 1),
        group=_SIZE,
    ),
    *_by_part(
        "chamfer",
        "Chamfer",
        "Å",
        "Mean distance to the nearest atom of the same species in the other particle, mean of "
        "both directions, after the best superposition that was found.",
        "in Chamfer distance",
        _SUPERPOSED,
    ),
    *_by_part(
        "bond_length_error",
        "bond length error",
        "Å",
        "Wasserstein distance between the distributions of the distance to the j-th nearest "
        f"neighbour, mean over j = 1 to {near.BONDS}.",
        "in bond lengths",
        _NEIGHBOURS,
    ),
    *_by_part(
        "coordination_error",
        "coordination error",
        "neighbours",
        "Wasserstein distance between the distributions of the coordination number, mean over the "
        f"true atoms' species; neighbours are closer than {near.BOND_STRETCH:g} times the true "
        "median bond.",
        "in coordination",
        _NEIGHBOURS,
    ),
    _error(
        "rdf_distance",
        "partial RDF distance",
        "",
        "Area between the partial radial distribution functions over the sum of their areas, 0 to "
        f"1: all pairs of species weighted by their share, shells of {RDF_BIN_A:g} Å to "
        f"{SHELLS_TO_A:g} Å, each divided by its volume and by the true density.",
        "in partial RDF distance",
        range=(0, 1),
        group=_NEIGHBOURS,
    ),
    *_by_part(
        "pdd_distance",
        "PDD distance",
        "Å",
        "Lower bound of the earth mover's distance between pointwise distance distributions "
        f"(k = {near.PDD_NEIGHBOURS}): the largest over j of the Wasserstein distance between the "
        "distributions of the distance to the j-th neighbour.",
        "in PDD distance",
        _NEIGHBOURS,
        papers.PDD.key,
    ),
    _error(
        "gyration_error",
        "radius of gyration error",
        "",
        "Absolute difference of the radii of gyration over the true one.",
        percent=True,
        group=_SIZE,
    ),
    _error(
        "hull_volume_error",
        "hull volume error",
        "",
        "How far the ratio of the convex hulls' volumes, prediction to truth, is from one.",
        percent=True,
        group=_SIZE,
    ),
    _error(
        "hausdorff_superposed",
        "Hausdorff, superposed",
        "Å",
        "Largest distance to the nearest atom of the same species in the other particle, after "
        "the same superposition.",
        group=_SUPERPOSED,
    ),
)

_PUBLISHED = (
    _error(
        "rmsd",
        "RMSD",
        "Å",
        "Root mean square difference of the coordinates, atom by atom, without alignment; per "
        "coordinate, so smaller by the square root of three than per atom.",
        "in RMSD, as published",
        missing=_COUNTS_DIFFER,
        group=MAIN,
        headline=("has an RMSD, as published, of", "over {n} particles"),
    ),
    _error(
        "hausdorff",
        "Hausdorff",
        "Å",
        "Largest distance from an atom of either particle to the nearest of the other, without "
        "alignment, whatever the species.",
        "in Hausdorff distance, as published",
        group=MAIN,
    ),
    _error(
        "delta_hull_volume",
        "Δ hull volume",
        "Å³",
        "Absolute difference of the convex hulls' volumes, points joggled by qhull.",
        "in hull volume",
        group=MAIN,
    ),
    _error(
        "rdf_energy",
        "RDF energy",
        "Å⁻²",
        f"Sum of squared differences of two histograms of pair distances, {RDF_BINS} bins of "
        f"density from 0 to {RDF_CUTOFF_A:g} Å.",
        "in RDF energy",
        group=MAIN,
    ),
    _error(
        "aligned_rmsd",
        "RMSD, aligned",
        "Å",
        "Root mean square distance of the atoms, paired in order, after the best rotation and "
        "translation (Kabsch).",
        "in RMSD after alignment",
        missing=_COUNTS_DIFFER,
        group=_PAIRED,
    ),
    _COVERAGE,
    _error(
        "volume_ratio",
        "volume ratio",
        "",
        "Volume of the prediction's convex hull over that of a sphere of the radius asked for.",
        better="higher",
        ranked=False,
        group=MAIN,
    ),
    _error(
        "surface_interior_ratio",
        "surface to interior",
        "",
        f"Mean distance of the paired atoms after alignment in the outer {_OUTER} over that in the "
        f"inner {_INNER}.",
        missing="no error to divide by, or numbers of atoms differ",
        ranked=False,
        group=_PAIRED,
    ),
    _error(
        "coordination_correlation",
        "coordination correlation",
        "",
        "Pearson correlation of the paired atoms' numbers of neighbours within "
        f"{COORDINATION_CUTOFF_A:g} Å.",
        better="higher",
        range=(-1, 1),
        missing="all atoms alike, or numbers of atoms differ",
        group=_PAIRED,
    ),
)

_LEADING = (
    REBUILT, "chamfer", "rdf_distance", "atom_count_error", "composition_error", COVERAGE,
)  # fmt: skip

SPECS: Mapping[Protocol, Mapping[str, MetricSpec]] = {
    "sound": by_name(_SOUND, _LEADING),
    "published": by_name(_PUBLISHED, _LEADING),
}
"""Of the ``sound`` ones all errors are zero for the truth in any pose and order."""

COMPARED = ComparedTask(samples="particles")
