"""The ceiling of drawn figures: what image processing alone reads.

A drawn figure is read by a program made for its kind, so that what can be read of it is known, and
is a little less than the truth. On sets that matscale drew, this is the ceiling of choices and
numbers; the truth stays the ceiling of descriptions, and of published figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from matscale.figures.items import LABELS, Figure
from matscale.figures.synthetic.readers.answers import label_of, question_of, read_file
from matscale.figures.synthetic.readers.registry import Reading
from matscale.runtime import execution
from matscale.tasks.perception.rows import NAN, Row

Looked = tuple[str, str]
"""A picture by its hash, and the name of the question that is asked of it."""


def can_be_read(figures: Sequence[Figure]) -> bool:
    """Whether choices or numbers are asked for, and image processing has a reader for all."""
    asked = [figure for figure in figures if figure.kind != "open"]
    return bool(asked) and all(figure.image and question_of(figure.item) for figure in asked)


def image_rows(figures: Sequence[Figure]) -> list[Row]:
    """Rows of what image processing answers; a figure that it cannot read counts as wrong.

    Args:
        figures: Such that :func:`can_be_read`; descriptions get empty rows.
    """
    files = {
        _looked(figure): figure.image
        for figure in figures
        if figure.kind != "open" and figure.image
    }
    readings = _readings(tuple(files.items()))
    return [
        Row(figure) if figure.kind == "open" else _row(figure, readings[_looked(figure)])
        for figure in figures
    ]


def _looked(figure: Figure) -> Looked:
    question = question_of(figure.item)
    assert question is not None
    return figure.sha256, question.name


@lru_cache(maxsize=2)  # both protocols look at the same figures
def _readings(files: tuple[tuple[Looked, Path], ...]) -> dict[Looked, Reading | None]:
    looks = [(image, name) for (_, name), image in files]
    found = execution.run(_read, looks, label="reading figures by image processing")
    return {looked: reading for (looked, _), reading in zip(files, found, strict=True)}


def _read(look: tuple[Path, str]) -> Reading | None:
    return read_file(*look)


def _row(figure: Figure, reading: Reading | None) -> Row:
    """A row as of a model that replied: what cannot be read is a reply without an answer."""
    if figure.kind == "numeric":
        number = reading if isinstance(reading, float) else None
        text = "" if number is None else f"{number:.6g} {figure.item.unit}".rstrip()
        value = NAN if number is None else number
        return Row(figure, value=value, text=text, unparsable=float(not text), replied=True)
    label = label_of(figure.item, reading)
    picked = np.array([float(label == one) for one in LABELS])
    lost = float(not label)
    return Row(figure, picked=picked, picks=(label,), text=label, unparsable=lost, replied=True)
