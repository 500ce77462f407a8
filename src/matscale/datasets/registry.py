"""Which datasets matscale knows: one entry each. To add one, add an entry here.

Where a file could not be had when its entry was written, its SHA-256 is None and ``unverified``
says what was not checked; :func:`matscale.datasets.fetch` then says so and prints the hash it got.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from matscale.datasets import papers
from matscale.datasets.hub_sets import HUB_SETS
from matscale.datasets.papers import Paper
from matscale.datasets.readers import Reader, read_csv_splits, read_jarvis_records, read_json_splits
from matscale.runtime.errors import UserError, did_you_mean

_LEADERBOARD = "https://raw.githubusercontent.com/usnistgov/jarvis_leaderboard"
_CDVAE = "https://raw.githubusercontent.com/txie-93/cdvae/main/data"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset.

    Attributes:
        name: Its name in the dataset's folder, ``<folder>/<dataset>/<name>``.
        urls: Where it is published, tried in order.
        sha256: Of its content, in hexadecimal; None where it is not known.
        optional: The dataset can be read without it.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """What is known of a dataset.

    Attributes:
        name: What users call it; also its folder under ``$MATSCALE_DATA`` and in the cache.
        title: Its name in the literature.
        description: What it holds, in a sentence.
        citation: The papers to cite.
        licence: Terms of use of the data.
        files: What to download.
        splits: Number of structures of each split.
        split_rule: Who drew the splits and how.
        reader: Makes readings and properties of the files.
        unverified: What could not be checked when this entry was written.
        id_fingerprint: First ten hex digits of the SHA-256 of all ids, each followed by a
            comma, in the order train, val, test; "" where it is not known.
    """

    name: str
    title: str
    description: str
    citation: tuple[Paper, ...]
    licence: str
    files: tuple[RemoteFile, ...]
    splits: Mapping[str, int]
    split_rule: str
    reader: Reader = field(repr=False)
    unverified: str = ""
    id_fingerprint: str = ""


def _leaderboard(path: str, commit: str) -> tuple[str, ...]:
    """The file at the commit where it was seen, then at the head of the main branch."""
    path = f"jarvis_leaderboard/benchmarks/AI/{path}"
    return f"{_LEADERBOARD}/{commit}/{path}", f"{_LEADERBOARD}/main/{path}"


_ENTRIES = (
    Entry(
        name="supercon3d",
        title="JARVIS Supercon-3D",
        description="1,056 crystals with computed electron-phonon coupling, of the 1,058 in the "
        "paper; critical temperatures in K for 616 of them.",
        citation=(papers.SUPERCON, papers.LEADERBOARD, papers.ATOMBENCH),
        licence="public domain (NIST)",
        files=(
            RemoteFile(
                "structures.json.zip",
                _leaderboard(
                    "AtomGen/dft_3d_Tc_supercon.json.zip",
                    "91d36b5c0f9c86643fabde22e6517d1147c0ba8f",
                ),
                "dcbe3bfedf21a66dd8b4c02589659f1ba6e25bf0fd1e805e358f02a4c2c6b615",
            ),
            RemoteFile(
                "tc_kelvin.json.zip",
                _leaderboard(
                    "SinglePropertyPrediction/dft_3d_Tc_supercon.json.zip",
                    "12f63de21ea046ecae73ae75a50e559b7b2ea678",
                ),
                "e34fe109057b9dd7b4ae50b18fdec70cc156b6a994a02ec6f57f5c365f8a06dc",
                optional=True,
            ),
        ),
        splits={"train": 846, "val": 105, "test": 105},
        split_rule="As in the leaderboard's file. AtomBench draws its own split of the 1,057 that "
        "remain without JVASP-19919 (847/105/103), in the order of a JARVIS-DFT release that is "
        "not part of this file, so that it cannot be drawn again from this file.",
        reader=read_json_splits,
        unverified="The URLs were found in an index of the repository and not downloaded; the "
        "hashes are those of this project's copies, taken from the leaderboard.",
    ),
    Entry(
        name="carbon24",
        title="Carbon-24",
        description="10,153 carbon crystals of 6 to 24 atoms from random structure search.",
        citation=(papers.AIRSS, papers.CDVAE, papers.LEADERBOARD),
        licence="open access (Materials Cloud); the CDVAE repository's copy is MIT",
        files=(
            RemoteFile(
                "structures.json.zip",
                _leaderboard(
                    "AtomGen/carbon24_energy_per_atom.json.zip",
                    "a2ceaa3b3545a35f3b113df4a99b3e0b0725c869",
                ),
                "c49ca9fa944b39008a56fa49b03f0d7c1f26775c253999b268e82d1677d09a6c",
            ),
        ),
        splits={"train": 6091, "val": 2032, "test": 2030},
        split_rule="60/20/20 by the CDVAE authors, as in the leaderboard's file.",
        reader=read_json_splits,
        unverified="The URL was found in an index of the repository and not downloaded; the hash "
        "is that of this project's copy.",
    ),
    Entry(
        name="perov5",
        title="Perov-5",
        description="18,928 perovskites of 5 atoms: one prototype, many compositions.",
        citation=(
            papers.PEROVSKITES,
            papers.CUBIC_PEROVSKITES,
            papers.CDVAE,
            papers.LEADERBOARD,
        ),
        licence="not stated by the source (Computational Materials Repository); the CDVAE "
        "repository's copy is MIT",
        files=(
            RemoteFile(
                "structures.json.zip",
                _leaderboard(
                    "AtomGen/perov5_heat_ref.json.zip",
                    "ca31657372d73f109ebb5e09bd0cf40463762201",
                ),
                "8528dc28a3cd282f2d6eff2ad027306e16b40a03c80b21b5f3eedd92b39d561e",
            ),
        ),
        splits={"train": 11356, "val": 3787, "test": 3785},
        split_rule="60/20/20 by the CDVAE authors, as in the leaderboard's file.",
        reader=read_json_splits,
        unverified="The URL was found in an index of the repository and not downloaded; the hash "
        "is that of this project's copy.",
    ),
    Entry(
        name="alexandria-dsab",
        title="Alexandria DS-A/B",
        description="8,253 metals of the Alexandria database with computed electron-phonon "
        "coupling and critical temperatures in K.",
        citation=(papers.ALEXANDRIA, papers.ATOMBENCH),
        licence="CC-BY-4.0 (Alexandria)",
        files=(
            RemoteFile(
                "alex_supercon.json.zip", ("https://ndownloader.figshare.com/files/55551155",)
            ),
        ),
        splits={"train": 6603, "val": 825, "test": 825},
        split_rule="Drawn on reading by the rule of AtomBench: indices shuffled with "
        "random.seed(123), val and test 10 % each. The rule gives AtomBench's split only if the "
        "file has the order of the tables DS-A then DS-B; the ids are checked against the "
        "fingerprint of that split.",
        reader=read_jarvis_records,
        unverified="The file was not downloaded: its hash, its order of rows and its licence as "
        "redistributed are not known. URL and number of rows (8,253) are those of jarvis-tools "
        "2026.6.12, dataset alex_supercon; the fingerprint is the one published with the "
        "ALIGNN-CSP ablation splits. The authors' own tables (DS-A.pk.bz2, DS-B.pk.bz2) are "
        "pickles, which matscale does not open.",
        id_fingerprint="5703564835",
    ),
    Entry(
        name="mp20",
        title="MP-20",
        description="45,229 inorganic crystals of the Materials Project with at most 20 atoms in "
        "the cell, most of them known from experiment.",
        citation=(papers.MATERIALS_PROJECT, papers.CDVAE),
        licence="CC-BY-4.0 (Materials Project); the CDVAE repository's copy is MIT",
        files=tuple(
            RemoteFile(f"{split}.csv", (f"{_CDVAE}/mp_20/{split}.csv",))
            for split in ("train", "val", "test")
        ),
        splits={"train": 27136, "val": 9047, "test": 9046},
        split_rule="60/20/20 by the CDVAE authors: one file per split.",
        reader=read_csv_splits,
        unverified="The files were not downloaded: their hashes are not known (another public "
        "repository pins train.csv to 133bab58dba02d316f9f91174839f17802dce648be4e8659d1a42b32b9"
        "7fa01d), and the sizes of the splits are those that users of the files report.",
    ),
)

DATASETS: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every dataset by its name."""


def entry(name: str) -> Entry:
    """The entry of a dataset.

    Raises:
        UserError: If there is none of that name.
    """
    if name not in DATASETS:
        raise unknown(name)
    return DATASETS[name]


def unknown(name: str, what: str = "dataset", others: Iterable[str] = ()) -> UserError:
    """The error for a name that no dataset has, with the names most like it.

    Args:
        name: As given.
        what: What it was taken for, such as ``"dataset and no file"``.
        others: Further names that would have been known in its place.
    """
    known = [*DATASETS, *HUB_SETS, *others]
    like = did_you_mean(name, known)
    return UserError(f"there is no {what} {name!r}{like} (matscale knows {', '.join(known)})")
