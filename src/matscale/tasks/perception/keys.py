"""Keeping keys of the environment out of everything that is written.

Servers repeat keys in their errors, and some in their replies. inspect-ai writes both in many
places: logs, its cache, its trace file. So they are taken out where an answer or an error leaves
the provider, before inspect-ai sees it, and again from its own log records.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from matscale.runtime.memory import content_key

if TYPE_CHECKING:
    from inspect_ai.model import Model, ModelCall

HIDDEN = "[key]"
SHORTEST = 8
"""Characters from which a value is a key: shorter ones are words that any text may hold."""

_SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$")
_ADDRESS = re.compile(r"(?:BASE_URL|ENDPOINT|ENDPOINT_URL|API_BASE|_HOST|_REGION)$", re.IGNORECASE)
_Value = TypeVar("_Value")


def secrets() -> list[str]:
    """Values of this process's environment that must not be written anywhere, longest first."""
    values = {value for name, value in os.environ.items() if _SECRET.search(name.upper())}
    return sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)


def scrubbed(text: str) -> str:
    """A text without any key of the environment."""
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    return text


def endpoint(model: Model) -> str:
    """Hash of the address that a model is asked at: one name may stand for two models.

    inspect-ai's own key of a remembered reply holds only an address that was given in code, and
    most come from the environment. An address may hold a password, so it is not written as it is.
    """
    client = getattr(model.api, "client", None)
    known = getattr(client, "base_url", None) or model.api.base_url
    if known:
        return content_key(str(known))
    names = sorted(name for name in os.environ if _ADDRESS.search(name))
    return content_key(*(f"{name}={os.environ[name]}" for name in names))


def cleaned(value: _Value) -> _Value:
    """A value without keys: texts, containers and pydantic models of texts; others as they are."""
    found: Any = value
    if isinstance(value, str):
        found = scrubbed(value)
    elif isinstance(value, dict):
        found = {key: cleaned(one) for key, one in value.items()}
    elif isinstance(value, list):
        found = [cleaned(one) for one in value]
    elif isinstance(value, tuple):
        found = tuple(cleaned(one) for one in value)
    elif isinstance(value, BaseModel):
        fields = value.model_dump()
        clean = cleaned(fields)
        found = value if clean == fields else type(value).model_validate(clean)
    return found


def cleaned_error(error: Exception) -> Exception:
    """An error without keys: the same one, or where it cannot be changed one that says the same."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one.args = cleaned(one.args)
        for name, value in vars(one).items():
            clean = cleaned(value)
            if clean is not value and clean != value:
                vars(one)[name] = clean
        one = one.__cause__ or one.__context__
    written = "".join(traceback.format_exception(error))
    if scrubbed(written) != written:
        return RuntimeError(scrubbed(f"{type(error).__name__}: {error}"))
    return error


def guard(model: Model) -> Model:
    """The model, whose provider's answers and errors from now on hold no keys."""
    if not getattr(model.api.generate, "holds_no_keys", False):
        model.api.generate = _Guarded(model.api.generate)  # type: ignore[method-assign]
    for handler in logging.getLogger("inspect_ai").handlers:
        if not any(isinstance(one, _WithoutKeys) for one in handler.filters):
            handler.addFilter(_WithoutKeys())
    return model


class _Guarded:
    """A provider's ``generate`` that hands on nothing with a key in it."""

    holds_no_keys = True

    def __init__(self, generate: Any) -> None:
        self._generate = generate

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = await self._generate(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again below
            raised = cleaned_error(error)
        else:
            output, call = answer if isinstance(answer, tuple) else (answer, None)
            output = cleaned_error(output) if isinstance(output, Exception) else cleaned(output)
            if call is None:
                return output
            _clean_call(call)
            return output, call
        _clean_call(_pending_call())
        raise raised


def _pending_call() -> ModelCall | None:
    """What a provider noted of a request that failed, for the log of the question."""
    from inspect_ai.event import ModelEvent
    from inspect_ai.log import transcript

    for event in reversed(transcript().events):
        if isinstance(event, ModelEvent) and event.pending:
            return event.call
    return None


def _clean_call(call: ModelCall | None) -> None:
    if call is not None:
        call.request, call.response = cleaned(call.request), cleaned(call.response)


class _WithoutKeys(logging.Filter):
    """Takes keys out of a record before any file, display or transcript gets it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        for name, value in vars(record).items():
            vars(record)[name] = cleaned(value)
        return True
