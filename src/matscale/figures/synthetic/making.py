"""One synthetic figure with its items, from a seed and a number.

The order of draws is what keeps the text from giving the answer away: options first, from one
stream of random numbers; then which of them is true, from a second; then the figure, from a third.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from matscale.figures.items import LABELS, SCALES, FigureItem, Option
from matscale.figures.synthetic.appearance import DIFFICULTIES, Difficulty, draw_style
from matscale.figures.synthetic.question import Drawing, Numbers, Question, Value
from matscale.figures.synthetic.registry import questions_of

SOURCE = "matscale"
TRUTH_DIGITS = 6


@dataclass(frozen=True)
class Asking:
    """What is asked of a figure, before there is a figure.

    Attributes:
        question: The quantity.
        difficulty: How hard it is to read.
        caption: What the figure is said to be.
        offered: Four values; their order is that of the labels.
        texts: The four as written.
        truth: Which of them is true, 0 to 3.
    """

    question: Question
    difficulty: Difficulty
    caption: str
    offered: tuple[Value, ...]
    texts: tuple[str, ...]
    truth: int


def ask(seed: int, index: int, difficulty: Difficulty | None = None) -> Asking:
    """What item ``index`` of a set asks: scales in turn, within a scale its questions in turn.

    Args:
        seed: Of the set.
        index: Of the figure in the set.
        difficulty: None draws one.
    """
    texts, truths, _ = streams(seed, index)
    scale = SCALES[index % len(SCALES)]
    questions = questions_of(scale)
    question = questions[index // len(SCALES) % len(questions)]
    drawn = DIFFICULTIES[texts.integers(len(DIFFICULTIES))]
    caption = question.captions[texts.integers(len(question.captions))]
    offered = question.answers.offer(difficulty or drawn, texts)
    written = question.answers.texts(offered)
    order = texts.permutation(len(offered))
    return Asking(
        question,
        difficulty or drawn,
        caption,
        tuple(offered[original] for original in order),
        tuple(written[original] for original in order),
        int(truths.integers(len(offered))),
    )


def streams(seed: int, index: int) -> list[np.random.Generator]:
    """Independent random numbers for the text, for the choice of the truth, for the drawing."""
    parent = np.random.SeedSequence([seed, index])
    return [np.random.default_rng(child) for child in parent.spawn(3)]


def make(index: int, *, seed: int, difficulty: Difficulty | None) -> list[tuple[FigureItem, bytes]]:
    """The items of one figure, each with the figure as PNG.

    Multiple choice and a description to write always; a number to give where the quantity is one.
    """
    asking = ask(seed, index, difficulty)
    rng = streams(seed, index)[2]
    style = draw_style(asking.difficulty, rng)
    drawing = asking.question.draw(asking.offered[asking.truth], style, rng)
    image = encode(drawing.image)
    return [(item, image) for item in items_of(asking, drawing, seed, index)]


def items_of(asking: Asking, drawing: Drawing, seed: int, index: int) -> list[FigureItem]:
    """Multiple choice, open, and for numbers numeric."""
    question = asking.question
    common = FigureItem(
        file_name=f"{index:06d}.png",
        index=index,
        scale=question.scale,  # type: ignore[arg-type]
        source=SOURCE,
        hybrid=False,
        skill=question.skill,
        quantity=question.quantity.replace("_", " "),
        difficulty=DIFFICULTIES.index(asking.difficulty) + 1,
        generator=question.generator,
        seed=seed,
        parameters=dict(drawing.details) | {"value": drawing.value},
    )
    options = tuple(
        Option(label=label, caption=f"{asking.caption}; {question.clause.format(text)}.")
        for label, text in zip(LABELS, asking.texts, strict=True)
    )
    described = {
        "image_caption": f"{asking.caption}.",
        "describe_paragraph": paragraph(asking, drawing),
    }
    items = [
        common.model_copy(update={"options": options, "correct_answer": LABELS[asking.truth]}),
        common.model_copy(update=described),
    ]
    if isinstance(question.answers, Numbers):
        unit = question.answers.unit
        number = {
            "question": f"{question.ask} Answer with a number in {unit}.",
            "truth": float(f"{float(drawing.value):.{TRUTH_DIGITS}g}"),
            "unit": unit,
        }
        items.append(common.model_copy(update={"image_caption": f"{asking.caption}."} | number))
    return items


def paragraph(asking: Asking, drawing: Drawing) -> str:
    """What a perfect description says: the truth, and what else is known and visible."""
    clause = asking.question.clause.format(asking.texts[asking.truth])
    sentences = [f"{asking.caption}.", f"{clause[0].upper()}{clause[1:]}."]
    for name, words in (("particles", "particles"), ("grains", "grains")):
        if name in drawing.details:
            sentences.append(f"The figure shows {drawing.details[name]} {words}.")
    if "scale_bar" in drawing.details:
        sentences.append(f"The scale bar stands for {drawing.details['scale_bar']}.")
    return " ".join(sentences)


def encode(image: np.ndarray) -> bytes:
    """An image (height, width, 3) as PNG, grey where it has no colour."""
    grey = (image == image[..., :1]).all()
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if grey else image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
