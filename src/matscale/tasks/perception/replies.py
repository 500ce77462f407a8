"""What inspect-ai's log says of each question: the reply, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from matscale.runtime.errors import UserError
from matscale.tasks.perception.keys import scrubbed
from matscale.tasks.perception.questions import Batch, Reply

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample

EMPTY = "empty reply"

_FAILURES = (
    (EMPTY, EMPTY),
    (r"RateLimit|\b429\b|rate.?limit", "rate limit"),
    (r"Timeout|timed? ?out", "time-out"),
    (r"InternalServer|\b50\d\b|Overloaded|server.?error", "server error"),
    (r"Authentication|PermissionDenied|\b40[13]\b", "not authorised"),
    (r"APIConnection|Connect(?:ion)?Error", "no connection"),
    (
        r"JSONDecode|UnicodeDecode|IndexError|KeyError|Validation|APIResponse|Unexpected"
        r"|has no attribute|NoneType",
        "no valid response",
    ),
    (r"BadRequest|\b4\d\d\b", "request refused"),
)
"""What stands in errors without a status code: a server's own words may hold any of these."""
_CODES = {401: "not authorised", 403: "not authorised", 408: "time-out", 429: "rate limit"}
_CODE = re.compile(r"\bError code: (\d{3})\b")

_STYLES = r"bold|italic|underline|dim|red|green|yellow|blue|cyan|magenta|white|link(?:=[^\]]*)?"
_MARKUP = rf"\[/?(?:(?:{_STYLES})\s?)+\]|\[/\]"

_MAY_PASS = ("rate limit", "time-out", "server error")
"""Reasons that say nothing against the model: the same question may be answered later."""


def replies(batch: Batch, log: EvalLog) -> dict[str, Reply]:
    """Replies by id of the question; a question that the log does not have was not asked."""
    samples = {str(sample.id): sample for sample in log.samples or ()}
    ended = scrubbed(log.error.message) if log.error else "the run ended before it"
    return {
        one.id: _reply(samples[one.id])
        if one.id in samples
        else Reply(None, "not asked", _detail(ended))
        for one in batch.questions
    }


def check_usable(batch: Batch, found: Mapping[str, Reply]) -> None:
    """Make sure that a model which answered nothing is not scored for it.

    Raises:
        UserError: If no question was answered and all failed for one reason that will not pass,
            such as a wrong key, a missing package or an address where no model is.
    """
    reasons = {reply.reason for reply in found.values() if reply.text is None}
    if any(reply.text is not None for reply in found.values()) or len(reasons) != 1:
        return
    (reason,) = reasons
    if reason not in _MAY_PASS:
        first = next(iter(found.values()))
        raise UserError(
            f"the model {batch.model!r} cannot be asked: none of {len(found)} questions was "
            f"answered ({reason}: {first.detail}); nothing was scored"
        )


def _reply(sample: EvalSample) -> Reply:
    if sample.error is not None:
        said = scrubbed(sample.error.message)
        return Reply(None, _failure(said), _detail(said))
    text = sample.output.completion if sample.output and sample.output.choices else ""
    if not text.strip():
        return Reply(None, EMPTY, "no text came")
    return Reply(scrubbed(text))


def plain(message: str) -> str:
    """A message of inspect-ai in one line, without markup and escapes."""
    said = re.sub(rf"{_MARKUP}|\x1b\[[0-9;]*m", "", message)
    return " ".join(said.split()).removeprefix("ERROR: ")


def _detail(message: str) -> str:
    """What went wrong, without the request that inspect-ai repeats in some of its messages."""
    raised = re.search(r"raised (\w+)", message)
    code = re.search(r"Error code: \d+ - [^\n]{0,200}", message)
    said = code[0] if code else raised[1] if raised else plain(message)[:200]
    # What is left of the quotes around the message of an error in an error.
    return said.rstrip("\\'\") ")


def _failure(message: str) -> str:
    code = _CODE.search(message)
    if code:
        number = int(code[1])
        return _CODES.get(number, "server error" if number >= 500 else "request refused")
    for pattern, reason in _FAILURES:
        if re.search(pattern, message, re.IGNORECASE):
            return reason
    return "failed"
