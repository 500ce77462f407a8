"""Where structures and targets come from."""

from matscale.datasets.dataset import Dataset, given, load
from matscale.datasets.fetch import fetch
from matscale.datasets.hygiene import HYGIENE, Leaks, Removal, atombench_split, leaks
from matscale.datasets.locate import describe, find, list_datasets
from matscale.datasets.registry import DATASETS, Entry, RemoteFile

__all__ = [
    "DATASETS",
    "HYGIENE",
    "Dataset",
    "Entry",
    "Leaks",
    "RemoteFile",
    "Removal",
    "atombench_split",
    "describe",
    "fetch",
    "find",
    "given",
    "leaks",
    "list_datasets",
    "load",
]
