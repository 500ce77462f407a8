"""How two results of the novelty task are compared: generated crystals have no common ids."""

from __future__ import annotations

from matscale.results.compared import ComparedMetric, ComparedTask, Values, column, share


def _distance(what: str, unit: str, values: Values) -> ComparedMetric:
    return ComparedMetric(
        values,
        f"has a mean distance to the nearest training {what}",
        "",
        unit,
        1.0,
        "larger",
        "smaller",
        "as large as",
        share=False,
    )


_SHARES = {
    "sun": share("yields stable, unique and novel crystals"),
    "metastable_sun": share("yields metastable, unique and novel crystals"),
    "stable": share("yields stable crystals"),
    "metastable": share("yields metastable crystals"),
    "unmatched": share("yields unmatched crystals"),
    "substituted": share("yields training crystals with swapped elements"),
    "duplicate": share("yields copies of training crystals"),
    "unique": share("yields unique crystals"),
    "unique_novel": share("yields unique and novel crystals"),
    "prototype_new": share("yields new prototypes"),
    "valid": share("yields valid crystals"),
    "invalid": share("yields invalid crystals"),
    "failed": share("fails"),
}

COMPARED = ComparedTask(
    {
        "sound": {
            **_SHARES,
            "amd_nearest": _distance("crystal (AMD)", " Å", column("amd_distance")),
            "element_nearest": _distance("composition", "", column("element_distance")),
        },
        "published": _SHARES,
    },
    paired=False,
    samples="crystals",
    sizes_matter=(
        "The two sets are of unequal size: among more crystals a smaller share is unique (and "
        "S.U.N.), so compare those shares on equal numbers."
    ),
)
"""Under ``published`` the table beside a result holds the samples as the sound protocol has them,
so only the shares are compared, from their values and numbers."""
