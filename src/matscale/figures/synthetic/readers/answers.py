"""What image processing alone answers to the items of a drawn figure.

It sees the pixels, which quantity is asked for, and the values on offer as the options state them;
neither the seed nor the truth of the item.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from matscale.figures.items import LABELS, FigureItem
from matscale.figures.synthetic.making import SOURCE
from matscale.figures.synthetic.question import Numbers, Question, Value
from matscale.figures.synthetic.readers.registry import READERS, Reading, choose, read
from matscale.figures.synthetic.registry import QUESTIONS

_BY_NAME = {question.name: question for question in QUESTIONS}


def question_of(item: FigureItem) -> Question | None:
    """The question that an item asks; None if matscale did not draw it or cannot read it."""
    name = f"{item.generator}.{item.quantity.replace(' ', '_')}"
    return _BY_NAME.get(name) if item.source == SOURCE and name in READERS else None


def read_file(image: Path, name: str) -> Reading | None:
    """What a question's reader finds in the file of a figure; None where it finds nothing.

    Args:
        image: The file.
        name: Of the question, such as ``"xrd.phase"``.
    """
    from PIL import Image

    with Image.open(image) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that fails; the reading is None then
        return read(name, np.asarray(opened.convert("RGB")))


def label_of(item: FigureItem, reading: Reading | None) -> str:
    """The label of the option that a reading speaks for; "" where it speaks for none."""
    question = question_of(item)
    if question is None:
        return ""
    values = [_stated(option.caption, question) for option in item.options]
    offered = tuple(value for value in values if value is not None)
    chosen = choose(reading, offered) if len(offered) == len(LABELS) else None
    return "" if chosen is None else LABELS[chosen]


def _stated(caption: str, question: Question) -> Value | None:
    """The value that an option states; None where it is not in the question's words."""
    before, after = question.clause.split("{}")
    start, end = f"; {before}", f"{after}."
    where = caption.rfind(start)
    if where < 0 or not caption.endswith(end):
        return None
    text = caption[where + len(start) : len(caption) - len(end)]
    if not isinstance(question.answers, Numbers):
        return text
    number = re.match(r"[\d.]+", text)
    return float(number[0]) if number else None
