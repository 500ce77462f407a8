"""How two results of the novelty task are compared: generated crystals have no common ids."""

from __future__ import annotations

from matscale.results.compared import ComparedMetric, ComparedTask, Values, column, share


def _farther(where: str, unit: str, values: Values) -> ComparedMetric:
    return ComparedMetric(
        values, "lies", f" from the nearest training {where}", unit, 1.0, "farther", "nearer",
        "as far as", share=False,
    )  # fmt: skip


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
            "amd_nearest": _farther("crystal in AMD", " Å", column("amd_distance")),
            "element_nearest": _farther("composition", "", column("element_distance")),
        },
        "published": _SHARES,
    },
    paired=False,
    samples="crystals",
    sizes_matter=(
        "They are of unequal size: of more crystals fewer are unique, and with them S.U.N., so "
        "compare those shares on equal numbers."
    ),
)
"""Under ``published`` the table beside a result holds the samples as the sound protocol has them,
so only the shares are compared, from their values and numbers."""
