"""What a reply says: a letter, or a judge's score. One function for each protocol's rule."""

from __future__ import annotations

import re

from matscale.figures.items import LABELS

# A reply that is cut off within a thought says nothing else.
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


def without_thoughts(reply: str) -> str:
    """A reply without what a model thinks aloud between ``<think>`` tags."""
    return _THOUGHT.sub("", reply).strip()


# --- letters -----------------------------------------------------------------------------

_OPEN = r"[\s*_`\"'(\[{<]*"
_END = r"(?=[*_`\"')\]}>]*\s*(?:$|[(.,;:!?\n–—-]|\b(?:because|since|as|for|which)\b))"
_LETTER = rf"{_OPEN}([A-D])\b{_END}"
"""A letter that stands for an option: "A" before a noun is an article."""

_ALONE = re.compile(rf"^\W*(?:(?:option|caption|choice)\s+)?{_OPEN}([A-D])[\W_]*$", re.IGNORECASE)
_LEADS = re.compile(r"^[\s*_`(\[]*([A-D])[*_`]*[.):\]]")
_BOXED = re.compile(rf"\\boxed\{{{_OPEN}([A-D])[\s)\]]*\}}", re.IGNORECASE)
_SURELY = r"(?:(?:(?:most\s+)?likely|probably|therefore|clearly|definitely)\s+)?"
_STATED = re.compile(
    rf"(?:\banswers?\b[*_\"']*\s*(?:is|(?:would|should|must)\s+{_SURELY}be|[:：=→–—-])"
    rf"|答案\s*[是为:：])[\s:]*{_SURELY}(?:(?:option|caption|choice|letter)\s+)?{_LETTER}",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"\b(?i:option|caption|choice|letter|choose|select|pick|go\s+with)\s*(?i:is|:)?\s*{_OPEN}([A-D])\b"
    rf"(?![a-z'])|\b(?i:correct|best|right|matching)\b[^.\n]{{0,60}}?\b(?:is|:)\s*{_LETTER}"
    r"|(?:^|[.,;:!?\n]\s*)[*_`(]*([A-D])\)? is (?:the )?(?:correct|right|best)\b(?! in| that| of)"
    r"|\b(?i:therefore|thus|hence|so)\b,?\s+[*_`(]*([A-D])(?=[)*_`]*[.!]?\s*$)"
)
_SECOND = re.compile(
    r"^[*_`\"')\]}]*\s*(?:or|and|/|&|,)\s*(?:(?:possibly|maybe|perhaps|probably)\s+)?"
    r"[*_`(]*([A-D])\b[^a-z]*$",
    re.MULTILINE,
)
_DRESS = (
    (r"\\(?:text|mathrm|mathbf|textbf|rm)\s*\{([^{}]*)\}", r"\1"),
    # Emphasis may stand anywhere, as in "**A**nswer: B"; so may TeX, and marks of a reply's end.
    (r"[*`$\u200b-\u200d\ufeff]|\\[()]|</s>|<\|[^|>]*\|>", ""),
)


def first_letter(reply: str) -> str | None:
    """The `published` rule: the first character among A to D, of either case, anywhere.

    So "Based on the image, D" is read as B and "The correct one is D" as C. Where there is no
    such letter the authors take the first character, which is no label and so is wrong.

    Returns:
        A label, or None.
    """
    return next((letter for letter in reply.upper() if letter in LABELS), None)


def stated_letter(reply: str) -> str | None:
    """The `sound` rule: the option that the reply says it chooses, or None if it says none or two.

    In this order: a letter alone; the last "answer is X" or boxed letter; a last line that is a
    letter; a reply that begins "X." or "(X)"; the one option that the reply names. What a model
    thinks aloud between ``<think>`` tags is no part of its reply.
    """
    text = without_thoughts(reply)
    for pattern, plain in _DRESS:
        text = re.sub(pattern, plain, text)
    text = text.strip()
    alone = _ALONE.match(text)
    if alone:
        return alone[1].upper()
    stated = [*_STATED.finditer(text), *_BOXED.finditer(text)]
    if stated:
        last = max(stated, key=lambda match: match.start())
        return None if _second(text, last) else last[1].upper()
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    final = _ALONE.match(lines[-1])
    if final:
        return final[1].upper()
    leads = _LEADS.match(text)
    if leads:
        # A reply that goes through all options in turn leads with A and chooses nothing.
        others = {match[1] for line in lines[1:] if (match := _LEADS.match(line))}
        return leads[1] if not others - {leads[1]} else None
    named = {next(filter(None, match.groups())) for match in _NAMED.finditer(text)}
    return named.pop() if len(named) == 1 else None


def _second(text: str, match: re.Match[str]) -> bool:
    """Whether another letter follows the stated one, as in "B or C"."""
    other = _SECOND.match(text[match.end(1) :].splitlines()[0] if text[match.end(1) :] else "")
    return other is not None and other[1].upper() != match[1].upper()


# --- judges ------------------------------------------------------------------------------

MOST = 10
"""The best score that a judge gives."""

_SCORE = re.compile(
    r"\bscore\b[*_\s]*(?:\([^()\n]*\)[*_\s]*)?(?:is|of|:|=)?[\s*_:]*(\d+(?:\.\d+)?)", re.IGNORECASE
)
_OUT_OF = re.compile(r"\b(\d+(?:\.\d+)?)\s*(?:/|out\s+of)\s*10\b", re.IGNORECASE)
_NUMBER = re.compile(r"^\W*(\d+(?:\.\d+)?)\W*$")


def published_score(reply: str) -> int | None:
    """The `published` rule: 10 if it stands anywhere, else the first digit that stands alone.

    So "7 out of 10" is read as 10.
    """
    if re.search(r"\b10\b", reply):
        return MOST
    digit = re.search(r"\b([0-9])\b", reply)
    return int(digit[1]) if digit else None


def stated_score(reply: str) -> float | None:
    """The `sound` rule: the score that the judge says it gives, 0 to 10, or None.

    "Score: 7", "7/10" and a number alone are scores; a number in passing is none.
    """
    text = without_thoughts(reply)
    for pattern in (_SCORE, _OUT_OF, _NUMBER):
        found = pattern.findall(text)
        if found:
            score = float(found[-1])
            return score if 0 <= score <= MOST else None
    first = text.splitlines()[0] if text else ""
    alone = _NUMBER.match(first)
    return float(alone[1]) if alone and float(alone[1]) <= MOST else None
