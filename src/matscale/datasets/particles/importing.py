"""Particles that others made: the authors' raw archive and their tree, and those of RADII.

Told by the names of files, in a folder or an archive, whatever stands before them:

==================================== ====================================================
name                                 what it is
==================================== ====================================================
{Material}.cif                       unit cell
{Material}_R{r}.xyz                  particle, as in the raw archives
{Material}/R{r}/xyz/rot_0.xyz        particle before rotation, as in the trees
{Material}/R{r}/xyz/rot_1.xyz        looked at to see whether the rotations are C2NP's
{Material}/R{r}/xyz/rot_{i}.xyz      left unread: the set's own rotations make it
==================================== ====================================================
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from matscale.datasets.particles.build import check_names, held_out, published_rotations
from matscale.datasets.particles.particle_set import ParticleSet
from matscale.datasets.particles.published import RADIUS_SPLITS
from matscale.runtime.errors import Refused, UserError
from matscale.structures.checks import LAST_ELEMENT, verdicts
from matscale.structures.formats import archives, cif, files
from matscale.structures.formats.elements import atomic_number
from matscale.structures.formats.vocabulary import File, Limits, decode
from matscale.structures.reading import Refusal
from matscale.structures.rotations import matrices
from matscale.structures.table import StructureTable

RAW = re.compile(r"(?:.*/)?([^/]+)_R(\d+(?:\.\d+)?)\.xyz")
ROTATED = re.compile(r"(?:.*/)?([^/]+)/R(\d+(?:\.\d+)?)/xyz/rot_(\d+)\.xyz")
CELL = re.compile(r"(?:.*/)?([^/]+)\.cif", re.IGNORECASE)

AGREEMENT = 1e-6
"""Å within which a rotated file is what our rotation makes of its base; files have 8 decimals."""


@dataclass(frozen=True, eq=False)
class Imported:
    """What came of reading others' particles.

    Attributes:
        particles: The set; materials without a particle are in it, particles without a material
            are refused.
        submitted: Files that are a unit cell or a particle, those refused among them.
        refusals: The files that cannot be used, and why.
        rotated: Rotated files that were compared with ours.
        agreeing: Of those, the ones that agree within :data:`AGREEMENT`.
    """

    particles: ParticleSet
    submitted: int
    refusals: tuple[Refusal, ...]
    rotated: int
    agreeing: int


@dataclass(frozen=True)
class _Item:
    """A file by its name."""

    file: File
    material: str
    radius: float | None = None
    rotation: int = 0


def import_particles(
    source: str | os.PathLike[str],
    *,
    name: str = "imported",
    split: str = "c2np",
    limits: Limits | None = None,
) -> Imported:
    """Read the particles of a folder or archive; nothing is unpacked to disk.

    Args:
        source: Folder, zip, tar or gzip.
        name: What the set is called.
        split: Whose radii: a key of :data:`RADIUS_SPLITS`.
        limits: How much archives may unpack to.

    Raises:
        UserError: If there is no unit cell or no particle in it, or there is no such split.
    """
    if split not in RADIUS_SPLITS:
        raise UserError(f"there is no split {split!r}; there is {', '.join(RADIUS_SPLITS)}")
    reader = _Reader({float(key) for radii in RADIUS_SPLITS[split].values() for key in radii})
    for item in _items(source, limits or Limits()):
        reader.take(item)
    if not reader.cells or not reader.bases:
        raise UserError(
            f"{os.fspath(source)!r} holds {len(reader.cells)} unit cells (NAME.cif) and "
            f"{len(reader.bases)} particles (NAME_R6.xyz, or NAME/R6/xyz/rot_0.xyz) that can be "
            f"read; both are needed{reader.first_reason()}"
        )
    reader.refuse_homeless()
    particles = _assembled(reader, name, split)
    agreeing = sum(_agrees(particles, *key) for key in reader.rotated if key[:2] in reader.bases)
    rotated = sum(key[:2] in reader.bases for key in reader.rotated)
    return Imported(particles, reader.submitted, tuple(reader.refusals), rotated, agreeing)


def _items(source: str | os.PathLike[str], limits: Limits) -> Iterator[_Item]:
    """The files that are wanted, by their names; archives are opened, others are left."""
    budget = files.Budget(limits)
    for location in files.places(source):
        if files.is_hidden(location.name):
            continue
        known = _named(location.name)
        if known is None and not location.chosen:
            continue
        for file in archives.unpacked(files.read_place(location, limits), budget, limits.depth):
            named = _named(file.name)
            if isinstance(file.data, Refused) and named is None:
                named = (file.name, None, 0)
            if named is not None and not files.is_hidden(file.name):
                yield _Item(file, *named)


def _named(name: str) -> tuple[str, float | None, int] | None:
    """Material, radius (None for a unit cell) and rotation by a file's name; None if unwanted."""
    if rotated := ROTATED.fullmatch(name):
        rotation = int(rotated[3][:9])
        return (rotated[1], float(rotated[2]), rotation) if rotation < 2 else None
    if raw := RAW.fullmatch(name):
        return raw[1], float(raw[2]), 0
    if cell := CELL.fullmatch(name):
        return cell[1], None, 0
    return None


class _Reader:
    """Sorts what is read.

    Args:
        radii: That are wanted, in Å.
    """

    def __init__(self, radii: set[float]) -> None:
        self.radii = radii
        self.submitted = 0
        self.refusals: list[Refusal] = []
        self.cells: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.bases: dict[tuple[str, float], tuple[np.ndarray, np.ndarray]] = {}
        self.rotated: list[tuple[str, float, np.ndarray]] = []
        self._places: dict[tuple[str, float], tuple[int, str]] = {}

    def take(self, item: _Item) -> None:
        """Read one file, or refuse it."""
        number = self.submitted
        self.submitted += 1
        try:
            if item.radius is None:
                self._take_cell(item)
            else:
                self._take_particle(item, item.radius, number)
        except Refused as refusal:
            self._refuse(number, item.file.path_id, item.file.source, refusal)

    def _take_cell(self, item: _Item) -> None:
        parsed = cif.parse(item.file.content)
        table = StructureTable.from_parts(
            [item.material], [parsed.numbers], [parsed.positions], [parsed.cell]
        )
        verdict = verdicts(table)
        if verdict.codes[0]:
            raise Refused("unreadable", f"unit cell: {verdict.detail(0) or 'no sound structure'}")
        if item.material in self.cells:
            raise Refused("unreadable", f"a second unit cell of {item.material}")
        self.cells[item.material] = (parsed.numbers, parsed.positions, parsed.cell)

    def _take_particle(self, item: _Item, radius: float, number: int) -> None:
        if radius not in self.radii:
            raise Refused("unreadable", f"{radius:g} Å is not a radius of the split")
        numbers, positions = parse_particle(item.file.content)
        key = item.material, radius
        if item.rotation:
            self.rotated.append((*key, positions))
        elif key in self.bases:
            raise Refused("unreadable", f"a second particle of {item.material} at {radius:g} Å")
        else:
            self.bases[key] = numbers, positions
            self._places[key] = number, item.file.source

    def _refuse(self, number: int, name: str, source: str, refusal: Refused) -> None:
        self.refusals.append(Refusal(number, name, source, refusal.reason, refusal.detail))

    def refuse_homeless(self) -> None:
        """Refuse the particles of materials without a unit cell."""
        for key in [key for key in self.bases if key[0] not in self.cells]:
            del self.bases[key]
            number, source = self._places[key]
            reason = Refused("missing", f"no unit cell {key[0]}.cif")
            self._refuse(number, f"{key[0]}_R{key[1]:g}", source, reason)

    def first_reason(self) -> str:
        """Why the first refused file was refused, as the end of a sentence."""
        if not self.refusals:
            return ""
        first = self.refusals[0]
        return f"; {len(self.refusals)} were refused, the first one: {first.reason}, {first.detail}"


def parse_particle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers (n,) and positions (n, 3) in Å of an XYZ file without a cell.

    Raises:
        Refused: If it is broken, or holds atoms that there are not.
    """
    lines = decode(content).split("\n")
    try:
        count = int(lines[0])
        rows = [line.split() for line in lines[2 : 2 + max(count, 0)]]
        if count < 1 or len(rows) < count:
            raise ValueError(f"says {count} atoms and has {len([row for row in rows if row])}")
        known = {symbol: atomic_number(symbol) for symbol in {row[0] for row in rows}}
        numbers = np.array([known[row[0]] for row in rows], np.uint8)
        positions = np.array([row[1:4] for row in rows], dtype=np.float64)
        if positions.shape != (count, 3):
            raise ValueError("a line with fewer than three coordinates")
    except (ValueError, IndexError, OverflowError) as error:
        raise Refused("unreadable", f"XYZ: {error}"[:200]) from error
    if not np.isfinite(positions).all():
        raise Refused("not finite", "a coordinate")
    if not ((numbers >= 1) & (numbers <= LAST_ELEMENT)).all():
        raise Refused("unknown element", "in the XYZ file")
    return numbers, positions


def _assembled(reader: _Reader, name: str, split: str) -> ParticleSet:
    names = sorted(reader.cells)
    parts = [reader.cells[name] for name in names]
    numbers, positions, cells = zip(*parts, strict=True)
    materials = StructureTable.from_parts(names, numbers, positions, list(cells))
    check_names(materials)
    rows = {material: row for row, material in enumerate(names)}
    keys = sorted(reader.bases)
    particles = StructureTable.from_parts(
        [material for material, _ in keys],
        [reader.bases[key][0] for key in keys],
        [reader.bases[key][1] for key in keys],
        None,
        {
            "material": np.array([rows[material] for material, _ in keys], np.int64),
            "radius": np.array([radius for _, radius in keys]),
            "least": np.array([radius for _, radius in keys]),
        },
    )
    return ParticleSet(
        name=name,
        materials=materials.with_columns(held_out=held_out(materials)),
        particles=particles,
        radii=RADIUS_SPLITS[split],
        quaternions=published_rotations(RADIUS_SPLITS[split]),
        facts={"split": split, "centre": "as imported"},
    )


def regrouped(particles: ParticleSet, same: np.ndarray) -> ParticleSet:
    """The set with copies of a material on one side of the split by material.

    Args:
        particles: The set.
        same: As in :func:`matscale.datasets.particles.build.build_particles`.
    """
    materials = particles.materials
    return replace(particles, materials=materials.with_columns(held_out=held_out(materials, same)))


def _agrees(particles: ParticleSet, material: str, radius: float, positions: np.ndarray) -> bool:
    """Whether a file called rot_1 is the particle under the set's rotation 1."""
    _, base = particles.particle(material, radius)
    rotation = particles.rotations(particles.split_of(radius), radius)[0]
    if base.shape != positions.shape:
        return False
    return bool(np.abs(base @ matrices(rotation).T - positions).max() < AGREEMENT)
