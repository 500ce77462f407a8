"""The two ways in which input can be wrong: a user error, and one damaged item in a batch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that only the user can mend; the command line prints it as one sentence.

    The message says what was wrong, where, and what to do.
    """


class Refused(Exception):  # noqa: N818 - a verdict on one item, not a failure of the program
    """One item of a batch that cannot be used; it is counted under its reason.

    Attributes:
        reason: Short category that is counted and shown, such as ``"disordered"``.
        detail: What was found and where, for the list of refused items.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def missing_extra(extra: str, purpose: str) -> UserError:
    """The error for a feature whose optional packages are not installed."""
    return UserError(f"{purpose} needs an extra: pip install 'matscale[{extra}]'")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that offers the known names most like one that is not known.

    Returns:
        Such as ``"; did you mean 'supercon3d'?"``, or "" where none is like it.
    """
    by_letters = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), by_letters, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(by_letters[word]) for word in close)}?" * bool(close)
