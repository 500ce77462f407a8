"""What models and judges are asked, in our own words.

The `published` prompts say what those of CSMBench's authors say (arXiv 2603.19327 and its code):
letter only for multiple choice; 100 to 300 words on what the figure shows for a description; an
integer from 0 to 10, strictly, for the judge. The `sound` ones let a model reason before it answers
and ask it to state its answer in a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from matscale.figures.items import Option
from matscale.results.result import Protocol

MOST_TOKENS: dict[tuple[Protocol, str], int] = {
    ("published", "mcq"): 64,
    ("published", "open"): 8000,
    ("published", "judge"): 64,
}
"""How long a reply may be, as the authors set it; ours may be as long as the provider lets it."""

_BLIND = (
    "The figure itself is not shown to you. Answer all the same, from the text alone, with what "
    "you think most likely.\n\n"
)


def choice(options: Sequence[Option], protocol: Protocol, *, seen: bool) -> str:
    """Which of four captions is the figure's.

    Args:
        options: In the order in which they are shown, with the labels that they are shown under.
        protocol: Which wording.
        seen: Whether the figure is shown.
    """
    captions = "\n".join(f"{one.label}. {one.caption}" for one in options)
    if protocol == "published":
        given = (
            "You see an image and four captions for it"
            if seen
            else "Here are four captions for an image that is not shown to you"
        )
        return (
            f"{given}, of which exactly one is correct. Reply "
            "with the letter of the correct caption (A, B, C or D) and with nothing else. A reply "
            f"looks like this: C\n\nCaptions:\n{captions}\n\nOnly the letter, no explanation."
        )
    return (
        "A figure from materials science comes with four captions, of which exactly one describes "
        f"it correctly.\n\n{captions}\n\n"
        f"{'' if seen else _BLIND}"
        "You may reason first. End with a line of this form, with one of the letters A to D:\n"
        "Answer: C"
    )


def question(text: str, unit: str, *, seen: bool) -> str:
    """A number to read off a figure."""
    asked = f"in {unit}" if unit else "as a plain number"
    return (
        f"{text.strip()}\n\n{'' if seen else _BLIND}"
        f"You may reason first. End with a line that gives one number {asked}, of this form:\n"
        f"Answer: 12.5{f' {unit}' if unit else ''}"
    )


def description(caption: str, *, seen: bool) -> str:
    """A description of a figure whose caption is given."""
    return (
        "You are an expert in materials science. This figure is from a paper; its caption reads: "
        f"{caption}\n\nExplain in detail what the figure shows: what is visible, and what follows "
        f"from it. Write 100 to 300 words.{'' if seen else ' ' + _BLIND.strip()}"
    )


def judgement(asked: str, reference: str, answer: str, protocol: Protocol) -> str:
    """How well an answer agrees with the reference."""
    told = (
        "Give one integer from 0 to 10 and nothing else."
        if protocol == "published"
        else "First say in one sentence what agrees and what does not. End with a line of this "
        "form, with an integer from 0 to 10:\nScore: 4"
    )
    return (
        "Grade strictly how correct an answer is, from 0 to 10. Full marks for an answer that "
        "means the same as the reference, whatever its form; take marks off for what is missing "
        "and for what is wrong or added.\n\n"
        f"Question:\n{asked}\n\nReference:\n{reference}\n\nAnswer to grade:\n{answer}\n\n{told}"
    )
