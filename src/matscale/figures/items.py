"""A figure with a question about it: CSMBench's fields, and the truth where a program drew it.

The fields and their names are those of CSMBench (Zheng, Chen, Jia, arXiv 2603.19327; hub dataset
``lututu/CSMBench``); an item that was drawn by a program carries numbers beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from matscale.runtime.errors import Refused

Kind = Literal["mcq", "open", "numeric"]

SCALES = ("AtomScale", "Microscale", "Mesoscale", "Macroscale")
"""CSMBench's scales, from small to large."""

LABELS = ("A", "B", "C", "D")

REASONS = {
    "unreadable row": "The row is not a JSON object, or a field does not hold what it should.",
    "unknown scale": "The scale is not one of the four.",
    "options not four": "A multiple-choice item has not four different captions, labelled A to D.",
    "answer not a label": "The answer of a multiple-choice item is not one of its labels.",
    "no reference": "An open item has no caption, or no paragraph to judge answers against.",
    "no truth": "A numeric item has no question, or no finite number as its truth.",
    "no question": "The row is neither multiple-choice, open nor numeric.",
    "no image": "There is no image where the row says, or it says none inside of the folder.",
    "broken image": "The image does not decode, or is not a PNG, JPEG, GIF, WEBP, TIFF or BMP.",
    "repeated item": "An earlier row has the same image and asks the same.",
    "duplicate figure": "An earlier item of another paper has the same image, pixel by pixel.",
}
"""Why an item of figures is refused."""


LONGEST_SHOWN = 200


def printable(text: str, longest: int | None = LONGEST_SHOWN) -> str:
    """A text of unknown origin for a terminal or a list: no control characters, not too long."""
    short = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


class Option(BaseModel):
    """One of the four captions to choose from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: str
    caption: str


class FigureItem(BaseModel):
    """One question about one figure.

    Attributes:
        file_name: The image, relative to the folder of its ``metadata.jsonl``.
        index: The item's number in its set.
        scale: One of :data:`SCALES`.
        source: Where the figure comes from: a journal's short name, ``"matscale"`` if drawn.
        paper_folder_name: The paper that the figure is from; items of one paper are no
            independent samples. "" where it is not known.
        hybrid: CSMBench's flag for figures that mix scales.
        image_caption: Open task: the caption that is shown.
        describe_paragraph: Open task: the paragraph that answers are judged against.
        options: Multiple choice: four captions.
        correct_answer: Multiple choice: the label of the right one.
        question: What is asked where it is not CSMBench's own question; always for numbers.
        truth: Numeric task: the answer, in ``unit``.
        unit: Unit of the truth, such as ``"nm"``; "" for a pure number.
        skill: What a drawn item tests, such as ``"scale bar"``; items are grouped by it.
        quantity: What the options of a drawn item differ in, such as ``"mean grain size"``.
        difficulty: Of a drawn item.
        generator: What drew the figure; "" for a published one.
        seed: Of the drawing.
        parameters: Everything else that is true of a drawn figure, by name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    file_name: str
    index: int
    scale: Literal["AtomScale", "Microscale", "Mesoscale", "Macroscale"]
    source: str = ""
    paper_folder_name: str = ""
    hybrid: bool | None = None
    image_caption: str = ""
    describe_paragraph: str = ""
    options: tuple[Option, ...] = ()
    correct_answer: str = ""
    question: str = ""
    truth: float | None = None
    unit: str = ""
    skill: str = ""
    quantity: str = ""
    difficulty: int | None = None
    generator: str = ""
    seed: int | None = None
    parameters: dict[str, float | int | str | bool] = {}

    @field_validator("options", "parameters", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """The hub keeps what is nested as JSON text in some of its files."""
        value = json.loads(value) if isinstance(value, str) and value.strip() else value
        return value or ()

    @field_validator("truth", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("true and false are not numbers")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _mapping(cls, value: object) -> object:
        return value or {}

    @field_validator("describe_paragraph", mode="before")
    @classmethod
    def _one_paragraph(cls, value: object) -> object:
        return " ".join(map(str, value)) if isinstance(value, list) else value

    @field_validator("correct_answer", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, row: object) -> object:
        """A column that only other rows fill is null in this one."""
        if isinstance(row, Mapping):
            return {name: value for name, value in row.items() if value is not None}
        return row

    @property
    def kind(self) -> Kind | None:
        """What is asked: four captions, a number, a description; None where nothing is."""
        if self.options or self.correct_answer:
            return "mcq"
        if self.truth is not None:
            return "numeric"
        return "open" if self.image_caption or self.describe_paragraph else None

    def option(self, label: str) -> Option:
        """The option of a label."""
        return next(option for option in self.options if option.label == label)

    def row(self) -> dict[str, Any]:
        """The item as a row of ``metadata.jsonl``, without the fields that say nothing."""
        row = self.model_dump(mode="json", exclude_defaults=True)
        if self.parameters:
            # Text, for columns of a table must have one type in all rows.
            row["parameters"] = json.dumps(self.parameters, sort_keys=True)
        return row


@dataclass(frozen=True)
class Figure:
    """An item that was read, and where its image lies.

    Attributes:
        id: Its name, unique in a reading: ``kind/file_name``.
        item: The question.
        kind: What is asked.
        image: The image's file; None where it was not looked for, or not found.
        sha256: Hash of the decoded image, "" where there is none.
        source: Where the row stands, such as ``multi_scale/train/metadata.jsonl:17``.
    """

    id: str
    item: FigureItem
    kind: Kind
    image: Path | None = None
    sha256: str = ""
    source: str = ""

    @property
    def paper(self) -> str:
        """What the item is clustered by: its paper, else its figure."""
        return self.item.paper_folder_name or f"figure {self.item.file_name}"


def item_of(row: object) -> FigureItem:
    """The item that a row describes.

    Raises:
        Refused: If the row cannot be asked; the reason is one of :data:`REASONS`.
    """
    if not isinstance(row, Mapping):
        raise Refused("unreadable row", f"found {type(row).__name__}")
    _check_text(row)
    if row.get("scale") not in SCALES:
        raise Refused("unknown scale", printable(repr(row.get("scale"))))
    _check_nested(row)
    try:
        item = FigureItem.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = "options not four" if where.startswith("options") else "unreadable row"
        raise Refused(reason, printable(f"{where}: {first['msg']}")) from None
    check_item(item)
    return item


def _check_text(row: Mapping[str, Any]) -> None:
    """Refuse what cannot be written: JSON lets half a character stand for itself."""
    try:
        json.dumps(row, ensure_ascii=False, default=repr).encode()
    except UnicodeEncodeError:
        raise Refused("unreadable row", "its text holds a lone surrogate") from None
    except RecursionError:
        raise Refused("unreadable row", "its values are nested too deep") from None


def _check_nested(row: Mapping[str, Any]) -> None:
    """Refuse text that should hold nested values and does not."""
    for name, reason in (("options", "options not four"), ("parameters", "unreadable row")):
        value = row.get(name)
        if isinstance(value, str) and value.strip():
            try:
                json.loads(value)
            except (ValueError, RecursionError):
                raise Refused(reason, f"{name} is text that is not JSON") from None


def check_item(item: FigureItem) -> None:
    """Refuse an item that cannot be scored.

    Raises:
        Refused: With the reason.
    """
    if item.kind is None:
        raise Refused("no question", "no options, no caption and paragraph, no truth")
    if item.kind == "mcq":
        _check_options(item)
    elif item.kind == "open":
        for name in ("image_caption", "describe_paragraph"):
            if not getattr(item, name).strip():
                raise Refused("no reference", f"{name} is empty")
    elif item.truth is None or not abs(item.truth) < float("inf") or not item.question.strip():
        raise Refused("no truth", printable(f"truth {item.truth}, question {item.question!r}"))


def _check_options(item: FigureItem) -> None:
    labels = tuple(option.label for option in item.options)
    captions = {option.caption.strip() for option in item.options}
    if labels != LABELS or len(captions) != len(LABELS) or "" in captions:
        listed = ", ".join(labels) or "none"
        said = printable(f"labels {listed}; {len(captions - {''})} captions")
        raise Refused("options not four", said)
    if item.correct_answer not in LABELS:
        raise Refused("answer not a label", printable(repr(item.correct_answer)))
