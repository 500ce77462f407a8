"""The two ways in which input can be wrong: the user's mistake, and one damaged item in a batch."""


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
