"""What a reply says: a letter, or a judge's score. One function for each protocol's rule."""

from __future__ import annotations

import re
import unicodedata

from matscale.figures.items import LABELS

# A reply that is cut off within a thought says nothing else.
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


def without_thoughts(reply: str) -> str:
    """A reply without what a model thinks aloud between ``<think>`` tags."""
    return _THOUGHT.sub("", reply).strip()


# --- letters -----------------------------------------------------------------------------

_OPEN = r"[\s*_`\"'(\[{<]*"
_END = r"(?![A-Za-z0-9_])"
_AFTER = (
    rf"(?:{_END}(?=[*_`\"']*\s*(?:$|[(.,;:!?。，；)\]}}<>\n–—-]|[\u3040-\u9fff]"
    r"|\b(?:because|since|as|for|which)\b)))"
)
"""What follows a letter that stands for an option: "A" before a noun is an article."""

_LETTER = rf"{_OPEN}(?P<letter>[A-D]){_AFTER}"
_NOUN = r"(?:(?:option|caption|choice|letter)\s+)?"
_SURELY = r"(?:(?:(?:most\s+)?likely|probably|therefore|clearly|definitely|indeed)\s+)?"
_ANSWER = (
    r"(?:\b(?:answers?|ans|antwort|respuesta|risposta|resposta)\b|r[ée]ponse\b)\.?"
    r"(?:\s+(?:correcta?|corretta|correcte|letter|choice|option))?"
)
_IS = rf"(?:\s+(?:is|ist|es|est|è|é)\b|\s+(?:would|should|must)\s+{_SURELY}be\b|\s*[:=→–—-]|>)"
_STATED = (
    rf"(?:{_ANSWER}[*_\"']*{_IS}|答案\s*[是为:]|答え\s*[は:]|选择?)"
    rf"[\s:]*{_SURELY}{_NOUN}"
)
_STATEMENTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _STATED + _LETTER,
        rf"\\boxed\s*\{{{_OPEN}{_NOUN}\(?(?P<letter>[A-D])(?:[).:\]][^{{}}]*|[\s)\]]*)\}}",
        rf"[\"'](?:choice|option|letter|label|prediction)[\"']\s*:\s*{_LETTER}",
        # "Answer: the second caption (B)": one letter in parentheses at the end of its line.
        rf"(?:^|\n)\s*(?:final\s+)?{_ANSWER}\s*:[^\n()]*\((?P<letter>[A-D])\)\s*\.?\s*(?=\n|$)",
        r"\banswer\s+\(?(?P<letter>(?-i:[A-D]))(?:[).]|(?=\s*(?:$|\n)))",
        # Text may follow a letter that is not an article.
        rf"{_STATED}{_OPEN}(?P<letter>(?-i:[B-D]))\s+(?=[a-z(])",
    )
]
"""Ways to say "the answer is B"."""

_CHOSEN = (
    re.compile(rf"\b(?i:correct|best|right|matching)\b[^.\n]{{0,60}}?\b(?i:is|:)\s*{_LETTER}"),
    re.compile(
        r"(?:^|[.,;:!?\n]\s*|\b(?i:think|believe|say|so|that|therefore|thus|hence)\s+)[*_`(]*"
        r"(?P<letter>[A-D])\)? is (?:the )?(?:\w+ )?(?:correct|right|best|answer)\b"
        r"(?! in\b| that\b| of\b)"
    ),
    re.compile(
        r"\b(?i:therefore|thus|hence|so)\b,?\s+[*_`(]*(?P<letter>[A-D])(?=[)*_`]*[.!]?\s*$)"
    ),
)
"""Ways to say that an option is right."""

_NAMED = re.compile(
    r"\b(?i:option|caption|choice|letter|choose|select|pick|go\s+with|(?:it|that|this)(?:'s|\s+is))"
    rf"\s*(?i:is|:)?\s*{_OPEN}(?P<letter>[A-D]){_END}(?![ ]?[a-z'])"
    rf"|\b(?i:option|caption|choice|letter|choose|select|pick|go\s+with)\s*(?i:is|:)?\s*{_OPEN}"
    rf"(?:(?P<other>[A-D]){_END}(?!')|(?<=\()(?P<lower>[a-d])\))"
)
_ALONE = re.compile(
    r"^[\W_]*(?:(?:option|caption|choice|letter)[\W_]+)?(?P<letter>[A-D])(?:[\W_]+(?P=letter))*[\W_]*$",
    re.IGNORECASE,
)
_LEADS = re.compile(
    r"^[\s*_`(\[]*(?:option\s+|caption\s+|choice\s+)?(?P<letter>[A-D])[*_`]*"
    r"(?:[.):\]]|\s+[–—-]\s|,?\s+(?:because|since)\b)",
    re.IGNORECASE,
)
_VERB = r"(?:is|was|are|can|could|does|do|has|seems?|looks?|must|would|should)\b[^.\n]{0,30}?"
_DENIED = re.compile(
    rf"^[*_`\"')\]]*\s*(?:{_VERB}(?:\bnot\b|n't\b|n’t\b)|cannot\b|(?:{_VERB})?(?:\bexcluded|\bwrong\b"
    r"|\bincorrect|\bruled\b|\bfalse\b|\beliminated|\bimpossible|\bunlikely|\brejected"
    r"|\binconsistent))",
    re.IGNORECASE,
)
"""What takes an option back right after its letter."""

_IF = re.compile(r"^[^.\n]*?\b(?:only\s+)?if\b", re.IGNORECASE)
_SECOND = re.compile(
    r"^[*_`\"')\]}]*\s*(?:or|and|/|&|,)\s*(?:(?:possibly|maybe|perhaps|probably)\s+)?"
    r"[*_`(]*([A-D])\b[^a-z]*$"
    r"|^(?:(?!\bnot\b|\bthan\b|\binstead\b|\bunlike\b)[^.\n])*?\b(?:or|and)\s+[*_`(]*([A-D])[)\]]",
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
    such letter the authors take the first character, which is not a label and so is wrong.

    Returns:
        A label, or None.
    """
    return next((letter for letter in reply.upper() if letter in LABELS), None)


def stated_letter(reply: str) -> str | None:
    """The `sound` rule: the option that the reply says it chooses, or None if it says none or two.

    In this order: a letter alone; the last of what the reply states ("answer is X", a boxed letter,
    a last line that is a letter); the one option that it calls right; a reply that begins "X." or
    "(X)", or denies the others it begins lines with; the one option that it names. So what is said
    of other options on the way never counts against an answer. What a model thinks aloud between
    ``<think>`` tags is not part of its reply.
    """
    text = unicodedata.normalize("NFKC", without_thoughts(reply))
    for pattern, plain in _DRESS:
        text = re.sub(pattern, plain, text)
    text = text.strip()
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if alone := _ALONE.match(text):
        return alone["letter"].upper()
    last = _last_statement(text)
    final = _ALONE.match(lines[-1])
    if final and (last is None or last.end("letter") <= text.rfind(lines[-1])):
        return final["letter"].upper()
    if last is not None:
        return None if _second(text, last) else last["letter"].upper()
    chosen = {_found(match) for way in _CHOSEN for match in way.finditer(text)}
    if chosen:
        return chosen.pop() if len(chosen) == 1 else None
    leads = [letter for line in lines if (letter := _leading(line))]
    if leads:
        # A reply that goes through all options in turn chooses nothing, unless it denies others.
        begins = _LEADS.match(lines[0]) or _ALONE.match(lines[0])
        return leads[0] if len(set(leads)) == 1 and begins else None
    named = {_found(match) for match in _NAMED.finditer(text)}
    return named.pop() if len(named) == 1 else None


def _last_statement(text: str) -> re.Match[str] | None:
    """The last place that states an answer, and neither denies it nor makes it conditional."""
    statements = [
        match
        for way in _STATEMENTS
        for match in way.finditer(text)
        if not _DENIED.match(rest := text[match.end("letter") :])
        and not ("be" in match[0].lower().split() and _IF.match(rest))
    ]
    return max(statements, key=lambda match: match.start("letter"), default=None)


def _leading(line: str) -> str | None:
    """The letter that a line begins with as an answer does, unless it is denied there."""
    match = _LEADS.match(line) or _ALONE.match(line)
    if match is None or _DENIED.match(line[match.end() :]):
        return None
    return match["letter"].upper()


def _found(match: re.Match[str]) -> str:
    return next(letter for letter in match.groupdict().values() if letter).upper()


def _second(text: str, match: re.Match[str]) -> bool:
    """Whether another letter follows the stated one, as in "B or C"."""
    rest = text[match.end("letter") :]
    other = _SECOND.match(rest.splitlines()[0] if rest else "")
    letter = next(filter(None, other.groups())) if other else match["letter"]
    return bool(letter.upper() != match["letter"].upper())


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
        scores = pattern.findall(text)
        if scores:
            score = float(scores[-1])
            return score if 0 <= score <= MOST else None
    first = text.splitlines()[0] if text else ""
    alone = _NUMBER.match(first)
    return float(alone[1]) if alone and float(alone[1]) <= MOST else None
