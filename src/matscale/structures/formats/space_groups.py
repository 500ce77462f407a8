"""Space groups by the names that files give them: Hermann-Mauguin, Hall, number.

gemmi knows the 564 settings of its table by their symbols. What is added here is how files of the
field spell them: full symbols (by moyopy's table), ICSD's suffixes, words in brackets, codes of
settings, and which settings a symbol leaves open.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gemmi

    Settings = tuple[gemmi.SpaceGroup, ...]

LONGEST = 120
"""Characters of a symbol with its remarks; no longer text is one."""

MONOCLINIC = range(3, 16)

CELL_CHOICES = (5, 7, 8, 9, 12, 13, 14, 15)
"""Monoclinic groups with three cell choices for each unique axis."""

DOUBLE_GLIDE = (64, 67, 68)
"""Groups whose last plane ITA has called e instead of a since 1992: Cmce, Cmme, Ccce."""

_BARRED = re.compile(r"\\(?:bar|overline)\s*\{?(\d)\}?|(\d)[\u0304\u0305]")
_SCREW = re.compile(r"(\d)\s*(?:\(\s*(\d)\s*\)|~(\d)~|_\{(\d)\}|<sub>(\d)</sub>)", re.IGNORECASE)
_BY_NUMBER = re.compile(
    r"[(\[]?\s*(?:#|no\.\s*|no\s|number\s)\s*(\d{1,3})\s*[)\]]?|\(\s*(\d{2,3})\s*\)", re.I
)
_ORIGIN = re.compile(r"[(\[,;]?\s*origin(?:\s+(?:choice|setting))?\s*[:=]?\s*([12])\s*[)\]]?", re.I)
_AXES = re.compile(
    r"[(\[,;]?\s*\b(rhombohedral|hexagonal)(?:\s+(?:axes|setting|cell|lattice))?\s*[)\]]?", re.I
)
_UNIQUE = re.compile(r"[(\[,;]?\s*unique[\s-]+axis\s*[:=]?\s*([abc])\s*[)\]]?", re.I)
_CHOICE = re.compile(r"[(\[,;]?\s*cell[\s-]+choice\s*[:=]?\s*([123])\s*[)\]]?", re.I)
_BRACKETED_CODE = re.compile(r"\(\s*(-?[abc]-?[abc]-?[abc]|[abc][123]?|[12HR])\s*\)\s*$", re.I)
_CODE = re.compile(r"([12HRSZ])?\s*:?\s*(-?[abc]-?[abc]-?[abc]|[abc][123]?)?", re.I)
_SUFFIX = re.compile(r"(?<=..)\s*([ZSHR])$", re.I)
_ORIGIN_OF_ICSD = {"S": "1", "Z": "2"}


@lru_cache(4096)
def by_symbol(text: str) -> Settings:
    """The settings that a Hermann-Mauguin symbol may mean, the likeliest first.

    Several where the symbol leaves the origin, the axes (R groups) or the unique axis (short
    monoclinic symbols) open; none where it is not understood.

    Args:
        text: A short, full or extended symbol in any spelling of the field, such as ``Fm-3m``,
            ``F 4/m -3 2/m``, ``R -3 m :R``, ``P2(1)/c``, ``F d -3 m Z``, ``P n m a :cab`` or
            ``F d -3 m (origin choice 2)``.
    """
    if len(text) > LONGEST:
        return ()
    text = _plain(text)
    if exact := _extended_symbols().get(_key(text)):
        return exact
    wanted: dict[str, str] = {}
    for pattern, key in (
        (_BY_NUMBER, "number"), (_ORIGIN, "ext"), (_AXES, "ext"), (_UNIQUE, "axis"),
        (_CHOICE, "choice"), (_BRACKETED_CODE, "code"),
    ):  # fmt: skip
        if match := pattern.search(text):
            wanted[key] = next(filter(None, match.groups()))
            text = f"{text[: match.start()]} {text[match.end() :]}".strip(" ,;")
    base, colon, code = text.partition(":")
    if colon:
        match = _CODE.fullmatch(code.strip())
        if not match or not any(match.groups()):
            return ()
        wanted |= {key: value for key, value in zip(("ext", "code"), match.groups(), strict=True)
                   if value}  # fmt: skip
    settings = _settings(base.strip())
    if not settings and (match := _SUFFIX.search(base.strip())):
        wanted["ext"] = match[1]
        settings = _settings(base.strip()[: match.start()])
    return _narrowed(settings, wanted)


def _plain(text: str) -> str:
    """The symbol without typesetting: subscripts, bars and dashes as CIF writes them."""
    text = _BARRED.sub(lambda match: f"-{match[1] or match[2]}", text)
    text = unicodedata.normalize("NFKC", text)
    text = re.sub("[\u2010-\u2015\u2212]", "-", text)
    text = _SCREW.sub(lambda match: match[1] + next(filter(None, match.groups()[1:])), text)
    return " ".join(text.strip(" \t\r\n'\"$*").split())


def _narrowed(settings: Settings, wanted: dict[str, str]) -> Settings:
    """Those of the settings that agree with the remarks beside the symbol."""
    if "number" in wanted:
        settings = tuple(setting for setting in settings if setting.number == int(wanted["number"]))
    if code := wanted.get("code", "").lower():
        if code.upper() in "12HR":
            wanted.setdefault("ext", code)
        else:
            settings = _coded(settings, code)
    if axis := wanted.get("axis", "").lower():
        settings = _of_axis(settings, axis)
    if choice := wanted.get("choice"):
        settings = _of_choice(settings, choice)
    if ext := wanted.get("ext", "")[:1].upper():
        ext = _ORIGIN_OF_ICSD.get(ext, ext)
        chosen = tuple(setting for setting in settings if setting.ext == ext)
        # ICSD adds its Z to some groups of a single origin, at the centre of symmetry.
        only = len(settings) == 1 and settings[0].ext == "\0" and ext in "12"
        settings = settings if only else chosen
    return settings


def _coded(settings: Settings, code: str) -> Settings:
    """The settings of a code: of the symbol itself, or (Pnma:cab) of its group."""
    if code in ("a", "b", "c"):
        return _of_axis(settings, code)
    code = code.replace("-", "")
    own = tuple(setting for setting in settings if setting.qualifier.replace("-", "") == code)
    if own or not any(setting.qualifier in ("", "b", "b1") for setting in settings):
        return own
    if code == "abc":
        return settings
    numbers = {setting.number for setting in settings}
    return tuple(
        setting
        for setting in _table()
        if setting.number in numbers and setting.qualifier.replace("-", "") == code
    )


def _of_axis(settings: Settings, axis: str) -> Settings:
    return tuple(setting for setting in settings if setting.qualifier[:1] == axis)


def _of_choice(settings: Settings, choice: str) -> Settings:
    """The settings of a cell choice (b1, b2, b3, ...), of the same group and unique axis."""
    axes = {(setting.number, setting.qualifier[:1]) for setting in settings}
    return tuple(
        setting
        for setting in _table()
        if (setting.number, setting.qualifier[:1]) in axes and setting.qualifier[1:] == choice
    )


@cache
def _table() -> Settings:
    import gemmi

    return tuple(gemmi.spacegroup_table())


def _settings(base: str) -> Settings:
    """All settings that a symbol without remarks may mean."""
    import gemmi

    base = re.sub(r"\s*/\s*", "/", base)
    if not base or not base[0].isalpha() or not base.isascii():
        return ()
    for form in (base, re.sub(r"[\s_]", "", base)):
        group = gemmi.find_spacegroup_by_name(form)
        if group is not None and ":" not in form:
            # gemmi takes a last R or H for a suffix; that is for the caller to look at.
            return () if form[-1] in "rRhH" and len(form) > 2 else _siblings(group, form)
    key = _key(base)
    return _full_symbols().get(key) or _short_symbols().get(key, ())


def _siblings(group: gemmi.SpaceGroup, form: str) -> Settings:
    """A setting and the others that its symbol fits."""
    same = tuple(
        setting for setting in _table() if setting.number == group.number and setting.hm == group.hm
    )
    if group.number not in MONOCLINIC or _key(form) == _key(group.hm):
        return same
    return same + tuple(
        setting for setting in _short_symbols()[_key(form)] if setting.hm != group.hm
    )


@cache
def _short_symbols() -> dict[str, Settings]:
    """Monoclinic settings by short symbol, such as ``p21/c``, those with the axis b first."""
    settings_by_symbol: dict[str, Settings] = {}
    for setting in _table():
        if setting.number in MONOCLINIC:
            short = "".join(part for part in setting.hm.split() if part != "1").lower()
            settings_by_symbol[short] = (*settings_by_symbol.get(short, ()), setting)
    return settings_by_symbol


def _key(symbol: str) -> str:
    return re.sub(r"[\s_]", "", symbol).lower()


@cache
def _extended_symbols() -> dict[str, Settings]:
    """Settings by the symbols of gemmi's table that say all, such as ``fd-3m:2``."""
    named = {
        _key(setting.xhm()): setting for setting in _table() if re.search(r"[:(]", setting.xhm())
    }
    return {key: (setting,) for key, setting in named.items()}


@cache
def _full_symbols() -> dict[str, Settings]:
    """Settings by full symbol, such as ``f4/m-32/m``."""
    import gemmi
    import moyopy

    by_key: dict[str, list[gemmi.SpaceGroup]] = {}
    for number in range(1, 531):
        entry = moyopy.HallSymbolEntry(number)
        operations = gemmi.symops_from_hall(entry.hall_symbol.replace("=", '"'))
        group = gemmi.find_spacegroup_by_ops(operations)
        if group is not None:
            key = _key(entry.hm_full)
            by_key.setdefault(key, []).append(group)
            if group.number in DOUBLE_GLIDE and key[-2:] == "/a":
                by_key.setdefault(f"{key[:-1]}e", []).append(group)
    return {key: _of_one_symbol(groups) for key, groups in by_key.items()}


def _of_one_symbol(groups: list[gemmi.SpaceGroup]) -> Settings:
    """The settings that have the short symbol of the first, each once."""
    return tuple(
        {setting.xhm(): setting for setting in groups if setting.hm == groups[0].hm}.values()
    )


@lru_cache(1024)
def by_number(text: str) -> Settings:
    """The standard settings of a number of International Tables A; none if it is not such a number.

    Two where there are two origins or two kinds of axes, and for monoclinic groups that of each
    unique axis, b first.
    """
    import gemmi

    match = re.fullmatch(r"\s*0*(\d{1,3})(?:\.0*)?(?:\(\d+\))?\s*", text)
    number = int(match[1]) if match else 0
    group = gemmi.find_spacegroup_by_number(number) if number else None
    if group is None:
        return ()
    same = [
        setting for setting in _table() if setting.number == group.number and setting.hm == group.hm
    ]
    if group.number in MONOCLINIC:
        same += [
            setting
            for axis in "ca"
            for setting in _table()
            if setting.number == group.number and setting.qualifier == axis + group.qualifier[1:]
        ]
    return tuple(same)


@lru_cache(1024)
def by_hall(text: str) -> tuple[gemmi.GroupOps, gemmi.SpaceGroup | None] | None:
    """Operations of a Hall symbol and the setting of the table that has them; None if no such."""
    import gemmi

    if len(text) > LONGEST:
        return None
    text = " ".join(_plain_hall(text).split())
    if not text or not text.isascii():
        return None
    try:
        operations = gemmi.symops_from_hall(text)
    except (ValueError, RuntimeError):
        return None
    return operations, gemmi.find_spacegroup_by_ops(operations)


def _plain_hall(text: str) -> str:
    text = re.sub("[\u2010-\u2015\u2212]", "-", text).strip()
    for quote in "'\"":
        # A closing quote may be the mark of an axis, as in -R 3 2".
        if len(text) > 1 and text[0] == quote and text[-1] == quote:
            text = text[1:-1]
    return text.replace("_", " ")


@cache
def of_group(number: int) -> Settings:
    """All settings of a group."""
    return tuple(setting for setting in _table() if setting.number == number)
