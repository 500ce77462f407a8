"""A small set of drawn figures for tests: four scales, three kinds, two items a paper."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from matscale.figures.items import SCALES, FigureItem, Option

CAPTIONS = (
    "SEM image of Fe grains of 10 nm",
    "TEM image of Fe grains of 10 nm",
    "SEM image of Ni grains of 10 nm",
    "SEM image of Fe grains of 20 nm",
)
"""The true caption, then one that changes the technique, the element, the number."""


def picture(number: int, form: str = "PNG") -> bytes:
    """A different picture for each number: discs on a ground."""
    image = Image.new("RGB", (96, 72), (230, 230, 230))
    draw = ImageDraw.Draw(image)
    for k in range(5):
        x, y = (37 * number + 53 * k) % 90, (23 * number * (k + 1)) % 66
        draw.ellipse([x, y, x + 9 + k, y + 9 + k], fill=(20 * k, (number * 41) % 255, 90))
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def choice(number: int, **changes: object) -> FigureItem:
    """A multiple-choice item whose right option stands in place ``number`` of four."""
    place = number % 4
    order = [*CAPTIONS[1:]]
    order.insert(place, CAPTIONS[0])
    fields = {
        "file_name": f"choice-{number}.png",
        "index": number,
        "scale": SCALES[number % 4],
        "source": "mc",
        "paper_folder_name": f"paper-{number // 2}",
        "options": [
            Option(label=label, caption=text) for label, text in zip("ABCD", order, strict=True)
        ],
        "correct_answer": "ABCD"[place],
    }
    return FigureItem(**{**fields, **changes})


def opened(number: int, **changes: object) -> FigureItem:
    fields = {
        "file_name": f"open-{number}.png",
        "index": number,
        "scale": SCALES[number % 4],
        "source": "mc",
        "paper_folder_name": f"paper-{number}",
        "image_caption": f"Fig. {number}. SEM image.",
        "describe_paragraph": f"Paragraph {number}: the grains are round.",
    }
    return FigureItem(**{**fields, **changes})


def number_of(number: int, **changes: object) -> FigureItem:
    fields = {
        "file_name": f"number-{number}.png",
        "index": number,
        "scale": SCALES[number % 4],
        "source": "matscale",
        "question": "What is the mean diameter of the grains?",
        "truth": 10.0 + number,
        "unit": "nm",
        "generator": "discs",
        "seed": number,
        "parameters": {"diameter": 10.0 + number},
    }
    return FigureItem(**{**fields, **changes})


def small_set(choices: int = 8, opens: int = 4, numbers: int = 4):
    """Items with their pictures, as ``write_figures`` takes them."""
    items = [
        *(choice(k) for k in range(choices)),
        *(opened(k) for k in range(opens)),
        *(number_of(k) for k in range(numbers)),
    ]
    return [(item, picture(k)) for k, item in enumerate(items)]
