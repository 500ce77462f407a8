"""The words that all formats share: reasons of refusal, limits, and an item before it is parsed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from matscale.runtime.errors import Refused
from matscale.structures.table import StructureTable

REASONS: Mapping[str, str] = {
    "missing": "there is nothing to read: an empty cell, or a file that does not exist",
    "empty": "the file has no content",
    "unreadable": "the content is broken, or is in no format known here",
    "no atoms": "the structure has no atoms",
    "no cell": "atoms without three lattice vectors",
    "degenerate cell": "lattice vectors that span no volume (thinner than 0.01 Å)",
    "disordered": "a site is partially occupied or shared by several species",
    "unknown element": "a species that is not a chemical element, such as a dummy or a vacancy",
    "unknown symmetry": "a CIF states a symmetry that is not understood, or that its cell lacks",
    "not finite": "a coordinate or lattice vector is NaN, infinite or absurdly large",
    "atoms too close": "two atoms, or an atom and a periodic image, less than 0.1 Å apart",
    "too large": "more atoms or bytes than the limits allow",
    "truncated": "the archive or file ends early; what stood before the end was kept",
    "encrypted": "the archive member is protected by a password",
    "unsafe path": "the name leads outside its folder or archive, or is a link",
}


ID_KEYS = ("id", "material_id", "jid", "mp_id", "entry_id", "ids", "identifier", "name")
"""Names under which tables and entries carry ids, the first that is there counts."""

STRUCTURE_KEYS = ("structure", "atoms", "cif", "poscar", "prediction")
"""Names under which entries carry structures, the first that is there counts."""

STRUCTURE_COLUMNS = ("prediction", "cif", "structure", "poscar")
"""Names of columns of text that hold structures, the first that is there counts."""


@dataclass(frozen=True)
class Limits:
    """How much untrusted input may unpack to before it is refused.

    Attributes:
        file_bytes: Bytes of one file on disk.
        total_bytes: Bytes unpacked from all archives of one reading.
        member_bytes: Bytes of one archive member.
        ratio: Unpacked over packed size, looked at once a member unpacks to over 16 MiB.
        members: Members of one archive.
        depth: Archives inside archives.
        atoms: Atoms of one structure.
    """

    file_bytes: int = 8 << 30
    total_bytes: int = 8 << 30
    member_bytes: int = 2 << 30
    ratio: float = 500.0
    members: int = 5_000_000
    depth: int = 3
    atoms: int = 500_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """One structure; unpacks into its three arrays.

    Attributes:
        numbers: Atomic numbers, (n,).
        positions: Cartesian, in Å, (n, 3).
        cell: Lattice vectors as rows, in Å, (3, 3).
        warnings: What is doubtful about it, as kind (a key of
            :data:`matscale.structures.reading.WARNINGS`) and detail.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    warnings: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.numbers, self.positions, self.cell))


class NotStructures(Exception):  # noqa: N818 - a finding about a file, not a failure
    """A sound file that holds no structures, such as a table of properties; it is not an item."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a source, found but not yet parsed.

    Attributes:
        id: Its name.
        source: Where it stands.
        content: What ``parse`` takes, or the refusal that finding it ended in.
        parse: Turns the content into a structure or raises ``Refused``; importable by name.
        columns: Further values of the item.
        path_id: The name to take instead of ``id`` where several files of a source are called so.
        named: Whether ``id`` is its own or its file's name, as against its place in a file.
    """

    id: str
    source: str
    content: Any
    parse: Callable[[Any], Parsed] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    path_id: str = ""
    named: bool = True

    def parsed(self) -> Parsed:
        """The structure, before the checks of :mod:`matscale.structures.checks`.

        Raises:
            Refused: If it cannot be used.
        """
        if isinstance(self.content, Refused):
            raise self.content
        assert self.parse is not None
        return self.parse(self.content)


@dataclass(frozen=True, slots=True)
class Block:
    """Many items of a source that are parsed at once, such as the rows of a Parquet file.

    Attributes:
        table: The items, before the checks; items without a cell have one of NaN.
        source: Where they stand.
        named: Whether the ids are their own, as against their places in a file.
    """

    table: StructureTable
    source: str
    named: bool = True


@dataclass(frozen=True, slots=True)
class Remark:
    """What a reader must know of a file that has it, in one sentence; it is not an item."""

    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file or an archive member in memory, or the refusal that reading it ended in.

    Attributes:
        name: Path inside its folder or archive, or file name; decides the format and ids.
        source: Where it stands, for messages.
        data: Its bytes.
        origin: Path on disk of the file or of the archive that holds it; "" where it has none.
        column: Where a table in it has its structures; "" for the names in use.
        or_usual: Whether a table without that column is read by the names in use.
    """

    name: str
    source: str
    data: bytes | Refused
    origin: str = ""
    column: str = ""
    or_usual: bool = False

    @property
    def stem(self) -> str:
        """Name without folders and without the last suffix."""
        return stem_of(self.name)

    @property
    def path_id(self) -> str:
        """Name with folders and without the last suffix."""
        folder, slash, _ = self.name.rpartition("/")
        return folder + slash + self.stem

    @property
    def content(self) -> bytes:
        """The bytes.

        Raises:
            Refused: If reading them ended so.
        """
        if isinstance(self.data, Refused):
            raise self.data
        return self.data

    def entry(self, content: Any, parse: Callable[[Any], Parsed] | None) -> Entry:
        """The only item of this file."""
        return Entry(self.stem, self.source, content, parse, path_id=self.path_id)


@dataclass(frozen=True)
class Format:
    """A file format: how to tell it and how to find its items.

    Attributes:
        name: For messages.
        suffixes: Name endings, lower case with the dot.
        claims: Whether the first bytes of a file look like this format.
        entries: Finds the items of a file, in order; raises ``Refused`` where it cannot go on
            and ``NotStructures`` where there are none to find.
        prefixes: Beginnings of file names, such as POSCAR.
    """

    name: str
    suffixes: tuple[str, ...]
    claims: Callable[[bytes], bool]
    entries: Callable[[File], Iterator[Entry | Block | Remark]]
    prefixes: tuple[str, ...] = ()

    def named(self, name: str) -> bool:
        """Whether a file of this name says that it is in this format."""
        base = name.rsplit("/", 1)[-1]
        return base.lower().endswith(self.suffixes) or base.upper().startswith(self.prefixes)


def stem_of(name: str) -> str:
    """File name without folders and last suffix: ``a/b.c.cif`` is ``b.c``."""
    base = name.rsplit("/", 1)[-1]
    stem, dot, _ = base.rpartition(".")
    return stem if dot and stem else base


def structure_column(names: Sequence[str], file: File) -> str | None:
    """The one of a table's columns that holds structures, by the file's wish or the names in use.

    Raises:
        NotStructures: If the column that was asked for is not there.
    """
    if file.column and file.column in names:
        return file.column
    if file.column and not file.or_usual:
        raise NotStructures(f"no column {file.column!r}; {its_columns(names)}")
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[key] for key in STRUCTURE_COLUMNS if key in lower), None)


def its_columns(names: Sequence[str]) -> str:
    """The columns of a table, for a message."""
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"its columns: {', '.join(name[:40] or '(no name)' for name in names[:12])}{more}"


def decode(data: bytes) -> str:
    """Text of a file: UTF-8, UTF-16 with its mark, else Latin-1; line ends become line feeds."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text
