"""Folders of figures: Hugging Face's ImageFolder layout, and the JSON of CSMBench's authors.

Layout::

    multi_scale/train/metadata.jsonl          open items, their images beside it
    multi_scale_mcq/train/metadata.jsonl      multiple choice
    multi_scale_numeric/train/metadata.jsonl  numbers; drawn figures only

The authors' scripts turn the first two into lists, ``multi_scale.json`` and
``multi_scale_mcq.json``, in which ``figure_path`` names the image.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matscale.figures.images import pixels
from matscale.figures.items import Figure, FigureItem, Kind, item_of, printable
from matscale.runtime.errors import Refused, UserError
from matscale.runtime.files import replaced
from matscale.structures.reading import Refusal

CONFIGS: dict[Kind, str] = {
    "open": "multi_scale",
    "mcq": "multi_scale_mcq",
    "numeric": "multi_scale_numeric",
}
"""Folder of each kind of item."""

METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class FigureReading:
    """Figures read from a folder or file, and what was refused there.

    Attributes:
        figures: The accepted ones, in the order of the source.
        refusals: The refused ones, each with its reason of :data:`~.items.REASONS`.
    """

    figures: tuple[Figure, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def submitted(self) -> int:
        """Number of rows in the source, accepted and refused."""
        return len(self.figures) + len(self.refusals)

    @property
    def refused_by_reason(self) -> dict[str, int]:
        """How many were refused for each reason, most common first."""
        return dict(Counter(refusal.reason for refusal in self.refusals).most_common())

    def of(self, kind: Kind) -> tuple[Figure, ...]:
        """The figures of one kind."""
        return tuple(figure for figure in self.figures if figure.kind == kind)

    def sha256(self) -> str:
        """Hash of what is asked and of the images, whatever the folder is called."""
        digest = hashlib.sha256()
        for figure in self.figures:
            row = json.dumps(figure.item.row(), sort_keys=True, ensure_ascii=False)
            digest.update(f"{figure.id}\0{row}\0{figure.sha256}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Row:
    """A row before it is understood: where it stands, where its image would be."""

    value: object
    source: str
    folder: Path
    image_field: str


def read_figures(path: Path | str, *, images: bool = True) -> FigureReading:
    """Read all figures of a folder or file.

    Args:
        path: A folder in the ImageFolder layout (the whole dataset, one config, or one split), a
            JSON file of CSMBench's authors, or a folder of such files.
        images: Whether images must be there, decode, and not repeat an earlier paper's. Without,
            the text alone is read, and images are noted where they are found.

    Raises:
        UserError: If there is nothing of that kind.
    """
    path = Path(path).expanduser()
    figures: list[Figure] = []
    refusals: list[Refusal] = []
    seen = _Seen()
    for number, row in enumerate(_rows(path)):
        name = str(number)
        try:
            name = _name(row)
            figure = _figure(row, images)
            figures.append(seen.admit(figure, images))
        except Refused as refused:
            shown = printable(name)
            refusals.append(Refusal(number, shown, row.source, refused.reason, refused.detail))
    return FigureReading(tuple(figures), tuple(refusals))


# --- rows --------------------------------------------------------------------------------


def _rows(path: Path) -> Iterator[_Row]:
    """The rows of every file that holds some, in a fixed order."""
    files = _files(path)
    if not files:
        raise UserError(
            f"{path} holds no figures: expected {METADATA} in it or in a folder such as "
            f"{CONFIGS['mcq']}/train, or a JSON list of CSMBench's authors"
        )
    for file in files:
        # Names as they stand below what was given, so that they do not change with the machine.
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        yield from _json_lines(file, name) if file.suffix == ".jsonl" else _json_list(file, name)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"there is no file or folder {path}")
    own = path / METADATA
    if own.is_file():
        return [own]
    listed = sorted((*path.glob(f"*/{METADATA}"), *path.glob(f"*/*/{METADATA}")))
    # A prepared list beside the layout it was made from says the same again.
    return listed or sorted(path.glob("*.json"))


def _json_lines(file: Path, name: str) -> Iterator[_Row]:
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _Row(_parsed(line), f"{name}:{number}", file.parent, "file_name")


def _json_list(file: Path, name: str) -> Iterator[_Row]:
    rows = _parsed(file.read_text(encoding="utf-8-sig", errors="replace"))
    if not isinstance(rows, list):
        raise UserError(f"{file} is no JSON list of figures; expected a list of objects")
    for number, value in enumerate(rows):
        yield _Row(value, f"{name}[{number}]", file.parent, "figure_path")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _name(row: _Row) -> str:
    """What the row calls its image; its place where it calls it nothing."""
    value = row.value.get(row.image_field) if isinstance(row.value, dict) else None
    return value if isinstance(value, str) and value else row.source


# --- figures -----------------------------------------------------------------------------


def _figure(row: _Row, images: bool) -> Figure:
    value = row.value
    if isinstance(value, dict):
        value = {**value, "index": value.get("index") or 0, "file_name": _name(row)}
    item = item_of(value)
    kind = item.kind
    assert kind is not None
    image = _image_path(row, item.file_name)
    figure = Figure(f"{kind}/{item.file_name}", item, kind, image, source=row.source)
    if not images:
        return figure
    if image is None:
        raise Refused("no image", printable(item.file_name))
    return replace(figure, sha256=image_sha256(image))


def _image_path(row: _Row, name: str) -> Path | None:
    """The image of a row, if it is a file.

    A name of the layout must stay in its folder. The authors' lists name images from the root of
    their repository, up to two folders above the list. What is named elsewhere is not looked at,
    for it would be sent to a provider. Names are judged as they are written: in a snapshot of the
    hub the files themselves are links to a folder elsewhere.
    """
    folder = row.folder.resolve()
    places = [folder]
    if row.image_field == "figure_path":
        places += [above for above in folder.parents[:2] if above != Path(folder.anchor)]
    candidates = [Path(os.path.normpath(base / name)) for base in places]
    allowed = [
        path
        for path in candidates
        if any(path.is_relative_to(allowed_folder) for allowed_folder in places)
    ]
    if row.image_field == "figure_path":
        allowed.append(folder / Path(name).name)
    return next((path for path in allowed if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with characters that no name has
        return False


def image_sha256(path: Path) -> str:
    """Hash of an image's pixels: equal for one picture in two files.

    Raises:
        Refused: If it does not decode.
    """
    image = pixels(path)
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


class _Seen:
    """What was read so far, to tell repetitions."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._asked: set[tuple[str, ...]] = set()
        self._paper_of: dict[tuple[str, str], str] = {}

    def admit(self, figure: Figure, images: bool) -> Figure:
        """The figure under a name of its own.

        Raises:
            Refused: If it repeats an earlier one.
        """
        item = figure.item
        row = {k: v for k, v in item.row().items() if k not in ("index", "file_name")}
        what = figure.sha256 if images else item.file_name
        asked = (figure.kind, what, json.dumps(row, sort_keys=True))
        if asked in self._asked:
            raise Refused("repeated item", figure.id)
        if images and item.paper_folder_name:
            key = (figure.kind, figure.sha256)
            paper = self._paper_of.setdefault(key, item.paper_folder_name)
            if paper != item.paper_folder_name:
                raise Refused("duplicate figure", f"the figure is also in {paper}")
        self._asked.add(asked)
        name = figure.id
        while name in self._taken:
            self._names[figure.id] += 1
            name = f"{figure.id}#{self._names[figure.id] + 1}"
        self._taken.add(name)
        return replace(figure, id=name)


# --- writing -----------------------------------------------------------------------------


def write_figures(
    folder: Path | str,
    figures: Iterable[tuple[FigureItem, bytes]],
    *,
    split: str = "train",
) -> dict[Kind, int]:
    """Write items and their images in the ImageFolder layout.

    Images are written as they come; each config's ``metadata.jsonl`` appears whole at the end.
    Several items of a kind may share one ``file_name``, whose bytes must then agree.

    Args:
        folder: Made if absent; the configs that are written must not be there yet.
        figures: Items, and the encoded image of each (PNG or JPEG, as ``file_name`` ends).
        split: Name of the split.

    Returns:
        Number of items by kind.

    Raises:
        UserError: If the folder already holds such items, or cannot be made.
        ValueError: If an item cannot be asked, or two images share a name.
    """
    folder = Path(folder)
    rows: dict[Kind, list[dict[str, Any]]] = {}
    images: dict[Path, bytes] = {}
    for item, image in figures:
        try:
            kind = item_of(item.row()).kind
        except Refused as refused:
            raise ValueError(f"{item.file_name}: {refused}") from None
        assert kind is not None
        target = folder / CONFIGS[kind] / split
        if kind not in rows:
            _check_new(target)
        _write_image(target / item.file_name, image, images)
        rows.setdefault(kind, []).append(item.row())
    for kind, lines in rows.items():
        with replaced(folder / CONFIGS[kind] / split / METADATA) as temporary:
            temporary.write_text(_lines(lines), encoding="utf-8")
    return {kind: len(lines) for kind, lines in rows.items()}


def _check_new(target: Path) -> None:
    if (target / METADATA).exists():
        raise UserError(f"{target} already holds figures; name a new folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {target}: {error.strerror}") from None


def _write_image(path: Path, image: bytes, written: dict[Path, bytes]) -> None:
    digest = hashlib.sha256(image).digest()
    if written.setdefault(path, digest) != digest:
        raise ValueError(f"two images are called {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_bytes(image)


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as JSON lines, all with the same keys, as readers of tables want them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [{name: row.get(name) for name in names} for row in rows]
    return "".join(json.dumps(row, ensure_ascii=False) + os.linesep for row in filled)
