"""What a part of the page is: its words, and blocks with their data, templates, styles, scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matscale.datasets.papers import Paper
from matscale.results.result import Protocol, Result
from matscale.results.samples import Samples

GENERAL_QUESTION = "Does the model understand structure, or does it remember it?"


@dataclass(frozen=True)
class TaskText:
    """How a task is presented. What its metrics are called comes with its results.

    Attributes:
        question: Title of the page.
        members: What the size of a dataset counts, in the plural.
        fates: By protocol, what becomes of items that were refused or are missing.
        warned: What becomes of what is warned of; "" where each warning says it.
        declared: Whether what a model was told is what somebody declared.
        tells: Whether the task tells models anything.
        floors: What each floor does, by its name, as the subject of a sentence.
        reasons: Why a metric could not be measured, in words, by the reason that counts give.
    """

    question: str = GENERAL_QUESTION
    members: str = "targets"
    fates: Mapping[Protocol, str] = field(
        default_factory=lambda: {
            "sound": "counted as failures",
            "published": "left out, as published",
        }
    )
    warned: str = "not scored"
    declared: bool = True
    tells: bool = True
    floors: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """What a block is made of: the results of one task on one dataset.

    Attributes:
        results: All, in the order of the page.
        leading: One per predictor, in that order.
        samples: Per-sample scores of each predictor's leading result.
        series: Colour class by predictor.
        folder: Where the files are that the results name, or None.
        every: Results of the whole page.
        has_ladder: Whether the section opens with all predictors on one scale.
    """

    results: Sequence[Result]
    leading: Sequence[Result]
    samples: Mapping[str, Samples]
    series: Mapping[str, str]
    folder: Path | None
    every: Sequence[Result]
    has_ladder: bool = True


@dataclass(frozen=True)
class Opening:
    """The figure beside the headlines.

    Attributes:
        drawing: SVG.
        caption: Below it.
        key: Name and colour class of what is drawn, where the drawing does not say it.
        file: Name of a file for it beside the page; "" where a block has one.
    """

    drawing: str
    caption: str
    key: Sequence[tuple[str, str]] = ()
    file: str = ""


@dataclass(frozen=True)
class Made:
    """What a block shows of one section.

    Attributes:
        data: What the template draws.
        opening: Figure for the top of the section where there is no ladder.
        drawings: SVG by name, for files beside the page.
        tables: Text by the end of a file's name, likewise.
    """

    data: Any
    opening: Opening | None = None
    drawings: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One or more headed stretches of a section.

    Files are named ``package:file``. The template has two macros, ``contents(section, data)`` for
    the links above and ``body(section, data)``.

    Attributes:
        make: What to show; None for nothing.
        template: The file of the macros.
        css: Styles.
        js: Scripts.
    """

    make: Callable[[Gathered], Made | None]
    template: str
    css: tuple[str, ...] = ()
    js: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What the page shows of a task beyond scores and groups.

    Attributes:
        text: Words.
        blocks: From top to bottom.
        papers: What to cite for the benchmark.
        charted: Groupings that a block has charts of, so that the page draws no others.
    """

    text: TaskText = field(default_factory=TaskText)
    blocks: tuple[Block, ...] = ()
    papers: tuple[Paper, ...] = ()
    charted: frozenset[str] = frozenset()
