"""What the models are called that tests of perception ask, their key, and what they say."""

import re

from figure_samples import CAPTIONS
from openai_server import Say

KEY = "sk-test-0123456789-never-to-be-seen"
MODEL, JUDGE = "openai/gpt-4o", "openai/gpt-4o-mini"


def truthful(asked):
    """A model that reads its picture, and guesses A without one; a judge that knows the words."""
    if asked.text.startswith("Grade"):
        reference, answer = re.search(
            r"Reference:\n(.*)\n\nAnswer to grade:\n(.*)\n\n(?:First|Give)", asked.text, re.S
        ).groups()
        score = 10 if reference == answer else 5 if answer == "It is round." else 1
        return f"Some words.\nScore: {score}" if "Score: 4" in asked.text else str(score)
    if "Explain in detail" in asked.text:
        return "It is round." if asked.pictures else "I see no figure."
    if "mean diameter" in asked.text:
        return "Answer: 11 nm"
    shown = re.search(rf"^([A-D])\. {re.escape(CAPTIONS[0])}$", asked.text, re.M)[1]
    return f"Answer: {shown if asked.pictures else 'A'}" if "Answer: C" in asked.text else shown


TROUBLE = {
    0: "Answer: {}",
    1: "**{}**",
    2: "I am sorry, this I cannot help with.",
    3: Say("slow down, " + KEY, status=429),
    4: Say("out of order", status=500),
    5: Say(pause_s=9.0),
    6: Say(raw=b"<html>garbage"),
    7: Say("Incorrect API key provided: " + KEY, status=401),
}


def troubled(asked):
    number = int(re.search(r"figure (\d+)", asked.text)[1])
    said = TROUBLE[number]
    if isinstance(said, Say) or "{}" not in said:
        return said
    return said.format(re.search(rf"^([A-D])\. {re.escape(CAPTIONS[0])}$", asked.text, re.M)[1])
