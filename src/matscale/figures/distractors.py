"""What a wrong caption changes in the right one: a technique, an element, a number, or words."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from matscale.figures.items import FigureItem

KINDS = ("technique", "element", "number", "several", "wording")
"""Kinds of distractors; ``several`` changes more than one of the first three."""

_TECHNIQUE_WORDS = (
    "tem sem hrtem hrsem stem haadf adf abf bf df afm stm ebsd eds edx edxs wds eels xrd gixrd xps "
    "saed sad fib apt raman ftir nmr dsc tga dma xrf icp leed rheed aes ups xanes exafs saxs waxs "
    "om optical fft ifft ipf kam gnd pf odf dft md mkm cls hea bright dark field confocal neutron "
    "synchrotron ct micro-ct nanoindentation tribometer dic"
)
_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu"
)
_SUBSTANCE_WORDS = (
    "hydrogen lithium boron carbon nitrogen oxygen sodium magnesium aluminum aluminium silicon "
    "phosphorus sulfur chlorine potassium calcium scandium titanium vanadium chromium manganese "
    "iron cobalt nickel copper zinc gallium germanium yttrium zirconium niobium molybdenum silver "
    "tin antimony tellurium hafnium tantalum tungsten rhenium iridium platinum gold lead "
    "bismuth cerium lanthanum neodymium steel graphite oxide carbide nitride boride"
)
_TECHNIQUES = frozenset(_TECHNIQUE_WORDS.split())
_NAMES = frozenset(_SUBSTANCE_WORDS.split())
_ELEMENT = "|".join(sorted(_SYMBOLS.split(), key=len, reverse=True))
_FORMULA = re.compile(rf"(?:(?:{_ELEMENT})[\d.₀-₉]*)+(?:[+-]\d?)?")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_WORD = re.compile(r"[-+]?\d+(?:\.\d+)?|[^\W\d_][\w₀-₉]*(?:-[^\W\d_]\w*)*|[^\w\s]")


def changed(right: str, wrong: str) -> tuple[list[str], list[str]]:
    """Words that the right caption has and the wrong one replaces, and those it puts there."""
    right_words, wrong_words = _WORD.findall(right), _WORD.findall(wrong)
    gone: list[str] = []
    came: list[str] = []
    for what, a, b, c, d in SequenceMatcher(
        None, right_words, wrong_words, autojunk=False
    ).get_opcodes():
        if what != "equal":
            gone += right_words[a:b]
            came += wrong_words[c:d]
    return gone, came


def kind_of(right: str, wrong: str) -> str:
    """Which of :data:`KINDS` a wrong caption is."""
    gone, came = changed(right, wrong)
    words = [*gone, *came]
    kinds = {name for name in ("technique", "element", "number") if _has(name, words)}
    if len(kinds) > 1:
        return "several"
    return kinds.pop() if kinds else "wording"


def _has(kind: str, words: list[str]) -> bool:
    if kind == "technique":
        return any(word.lower() in _TECHNIQUES for word in words)
    if kind == "number":
        return any(_NUMBER.fullmatch(word) for word in words)
    return any(_is_substance(word) for word in words)


def _is_substance(word: str) -> bool:
    """Whether a word is an element's name or a formula; a lone "I" or "In" may be a word."""
    if word.lower() in _NAMES:
        return True
    return bool(_FORMULA.fullmatch(word)) and word not in ("I", "In", "As", "At", "No", "OM", "IPF")


def kinds_of(item: FigureItem) -> dict[str, str]:
    """The kind of each wrong option, by its label; none for an item without options."""
    if not item.options:
        return {}
    right = item.option(item.correct_answer).caption
    return {
        option.label: kind_of(right, option.caption)
        for option in item.options
        if option.label != item.correct_answer
    }
