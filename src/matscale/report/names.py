"""Names as file names and anchors, and as text that may be broken into lines."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def slug(text: str) -> str:
    """A file name or anchor from any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "x"


def breakable(text: str) -> Markup:
    """A name as HTML that may be broken after each underscore."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))
