"""Which data sets on the Hugging Face hub matscale knows. To add one, add an entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from matscale.datasets.papers import CSMBENCH, Paper


@dataclass(frozen=True)
class HubSet:
    """What is known of a data set on the hub.

    Attributes:
        name: What users call it; also its folder under ``$MATSCALE_DATA`` and in the cache.
        title: Its name in the literature.
        repository: Its id on the hub.
        citation: The paper to cite.
        licence: Terms of use.
        needed: Files without which it is not there, relative to its folder.
        unverified: What could not be checked when this was written.
    """

    name: str
    title: str
    repository: str
    citation: Paper
    licence: str
    needed: tuple[str, ...]
    unverified: str


_SETS = (
    HubSet(
        name="csmbench",
        title="CSMBench: 1,041 figures of materials science in four scales",
        repository="lututu/CSMBench",
        citation=CSMBENCH,
        licence="Apache-2.0 (questions and code); the figures are their publishers'",
        needed=(
            "multi_scale/train/metadata.jsonl",
            "multi_scale_mcq/train/metadata.jsonl",
        ),
        unverified="The files were not downloaded: their hashes and their number are not known.",
    ),
)

HUB_SETS: Mapping[str, HubSet] = MappingProxyType({entry.name: entry for entry in _SETS})
"""Every such data set by its name."""
