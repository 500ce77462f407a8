"""Asking models through inspect-ai: its tasks, providers, concurrency, retries, cache and logs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscale.errors import UserError, missing_extra
from matscale.figures.answers import first_letter, published_score, stated_letter, stated_score
from matscale.figures.quantities import relative_error, stated_number
from matscale.results.result import Protocol
from matscale.tasks.perception.prompts import MOST_TOKENS
from matscale.tasks.perception.questions import Batch, Question, Reply

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.scorer import Scorer

SENT_AS_THEY_ARE = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""Images that providers take; others are sent as PNG."""

LOGS = "logs"
"""Folder inside the results folder for inspect-ai's logs: ``inspect view --log-dir`` shows them."""


@dataclass(frozen=True)
class Patience:
    """How long a model is waited for.

    Attributes:
        retries: Tries after the first, for rate limits, server errors and time-outs.
        attempt_s: Longest time for one try.
    """

    retries: int = 6
    attempt_s: int = 180


def require_inspect() -> None:
    """Make sure that inspect-ai is installed.

    Raises:
        UserError: If it is not.
    """
    try:
        import inspect_ai  # noqa: F401
    except ImportError:
        raise missing_extra("perception", "asking a model about figures") from None


def ask(
    batches: Sequence[Batch], *, logs: Path, patience: Patience | None = None
) -> dict[str, dict[str, Reply]]:
    """Ask each batch of its model.

    Replies are remembered by inspect-ai's cache, by model, prompt, picture and repeat: a run that
    was cut short, or is repeated, asks only what has no reply yet.

    Args:
        batches: With different names; those of one model run together.
        logs: Folder for inspect-ai's logs.
        patience: Retries and time-outs.

    Returns:
        Replies by name of batch and id of question.

    Raises:
        UserError: If inspect-ai is not installed, or a model cannot be used at all.
    """
    require_inspect()
    found: dict[str, dict[str, Reply]] = {}
    for model in dict.fromkeys(batch.model for batch in batches):
        part = [batch for batch in batches if batch.model == model and batch.questions]
        if part:
            done = _evaluate(part, model, logs, patience or Patience())
            for batch, log in zip(part, done, strict=True):
                _scrub_log(log)
                found[batch.name] = _replies(batch, log)
    return found


def _evaluate(
    batches: Sequence[Batch], model: str, logs: Path, patience: Patience
) -> list[EvalLog]:
    from inspect_ai import eval as inspect_eval
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.model import get_model

    count = sum(len(batch.questions) for batch in batches)
    watched = sys.stdout.isatty() and sys.stderr.isatty()
    if not watched:
        print(f"asking {model}: {count} questions; logs in {logs}", file=sys.stderr)
    try:
        return inspect_eval(
            [task_of(batch.name, batch.protocol, batch.questions) for batch in batches],
            # A remembered client would keep the key and address of an earlier call.
            model=get_model(model, memoize=False),
            log_dir=str(logs),
            display="rich" if watched else "none",
            log_level="error",
            # The pictures are in the data already, and would be in every log again.
            log_images=False,
            fail_on_error=False,
            max_retries=patience.retries,
            attempt_timeout=patience.attempt_s,
        )
    except PrerequisiteError as error:
        raise UserError(_model_error(model, error)) from None
    except (ImportError, ValueError) as error:
        raise UserError(_model_error(model, error)) from None


def _model_error(model: str, error: Exception) -> str:
    said = str(getattr(error, "message", error)).removeprefix("ERROR: ")
    said = re.sub(r"\[/?[a-z ]*\]|\x1b\[[0-9;]*m", "", said).removeprefix("ERROR: ")
    return f"the model {model!r} cannot be asked: {scrubbed(' '.join(said.split()))}"


# --- inspect-ai's tasks ------------------------------------------------------------------


def task_of(
    name: str, protocol: Protocol, questions: Sequence[Question], scorer: Scorer | None = None
) -> Task:
    """A task of inspect-ai that asks the questions; all are of one form."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.model import GenerateConfig

    form = questions[0].form
    return Task(
        name=name,
        dataset=MemoryDataset([_sample(one) for one in questions], name=name),
        solver=[_remembering()],
        scorer=scorer or _scorer_of(form, protocol),
        config=GenerateConfig(max_tokens=MOST_TOKENS.get((protocol, form))),
    )


def _sample(question: Question) -> Any:
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText

    content: list[Any] = [ContentText(text=question.prompt)]
    if question.image is not None:
        content.append(ContentImage(image=_sendable(question.image)))
    return Sample(
        id=question.id,
        input=[ChatMessageUser(content=content)],
        target=question.target,
        metadata={
            "image": question.image_sha256,
            "repeat": question.repeat,
            "unit": question.unit,
        },
    )


def _sendable(path: Path) -> str:
    """The path, or a PNG of it as a data URI where providers would not take it."""
    if path.suffix.lower() in SENT_AS_THEY_ARE:
        return str(path)
    import base64
    import io

    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _remembering() -> Any:
    from inspect_ai.model import CachePolicy
    from inspect_ai.solver import solver

    @solver(name="matscale_ask")
    def ask_once() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            scopes = {name: str(state.metadata[name]) for name in ("image", "repeat")}
            return await generate(state, cache=CachePolicy(expiry=None, scopes=scopes))

        return solve

    return ask_once()


def _scorer_of(form: str, protocol: Protocol) -> Any:
    """What inspect-ai's own log says of a reply; results are made by matscale's measures."""
    from inspect_ai.scorer import CORRECT, INCORRECT, Score, accuracy, mean, scorer

    @scorer(metrics=[accuracy()], name="matscale_letter")
    def letter() -> Any:
        async def score(state: Any, target: Any) -> Any:
            said = read_letter(state.output.completion, protocol)
            right = CORRECT if said == target.text else INCORRECT
            return Score(value=right, answer=said, explanation=state.output.completion)

        return score

    @scorer(metrics=[mean()], name="matscale_within_10_percent")
    def number() -> Any:
        async def score(state: Any, target: Any) -> Any:
            said = stated_number(state.output.completion, state.metadata["unit"])
            right = said is not None and relative_error(said, float(target.text)) <= 0.1
            return Score(value=float(right), answer=None if said is None else repr(said))

        return score

    @scorer(metrics=[mean()], name="matscale_judgement")
    def judgement() -> Any:
        async def score(state: Any, target: Any) -> Any:
            value = read_score(state.output.completion, protocol)
            return Score(value=float("nan") if value is None else float(value))

        return score

    known: dict[str, Any] = {"mcq": letter, "numeric": number, "judge": judgement}
    return known[form]() if form in known else None


def read_letter(reply: str, protocol: Protocol) -> str | None:
    """The label that a reply is read as under a protocol."""
    return first_letter(reply) if protocol == "published" else stated_letter(reply)


def read_score(reply: str, protocol: Protocol) -> float | None:
    """The score that a judge's reply is read as under a protocol."""
    return published_score(reply) if protocol == "published" else stated_score(reply)


# --- logs --------------------------------------------------------------------------------

_FAILURES = (
    (r"RateLimit|\b429\b|rate.?limit", "rate limit"),
    (r"Timeout|timed? ?out", "time-out"),
    (r"InternalServer|\b50\d\b|Overloaded|server.?error", "server error"),
    (r"Authentication|PermissionDenied|\b40[13]\b", "not authorised"),
    (r"APIConnection|Connect(?:ion)?Error", "no connection"),
    (
        r"JSONDecode|Validation|APIResponse|Unexpected|has no attribute|NoneType",
        "no valid response",
    ),
    (r"BadRequest|\b4\d\d\b", "request refused"),
)


def _replies(batch: Batch, log: EvalLog) -> dict[str, Reply]:
    """Replies of a log; a question that the log does not have was not asked."""
    samples = {str(sample.id): sample for sample in log.samples or ()}
    ended = log.error.message if log.error else "the run ended before it"
    return {
        one.id: _reply(samples[one.id]) if one.id in samples else Reply(None, "not asked", ended)
        for one in batch.questions
    }


def _reply(sample: EvalSample) -> Reply:
    if sample.error is not None:
        said = scrubbed(sample.error.message)
        return Reply(None, _failure(said), _detail(said))
    text = sample.output.completion if sample.output and sample.output.choices else ""
    if not text.strip():
        stop = sample.output.stop_reason if sample.output else "unknown"
        # A provider that filters a reply, and a budget of tokens spent on thinking, say nothing.
        return Reply("", "", f"empty reply, stopped by {stop}")
    return Reply(text)


def _detail(message: str) -> str:
    """What went wrong, without the request that inspect-ai repeats in some of its messages."""
    raised = re.search(r"raised (\w+)", message)
    code = re.search(r"Error code: \d+ - [^\n]{0,200}", message)
    return code[0] if code else raised[1] if raised else " ".join(message.split())[:120]


def _failure(message: str) -> str:
    for pattern, reason in _FAILURES:
        if re.search(pattern, message, re.IGNORECASE):
            return reason
    return "failed"


# --- keys --------------------------------------------------------------------------------

_SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$")
HIDDEN = "[key]"


def _secrets() -> list[str]:
    """Values of this process's environment that must not be written anywhere."""
    values = {value for name, value in os.environ.items() if _SECRET.search(name.upper())}
    return sorted((value for value in values if len(value) >= 8), key=len, reverse=True)


def scrubbed(text: str) -> str:
    """A text without any key of the environment: servers repeat them in their errors."""
    for secret in _secrets():
        text = text.replace(secret, HIDDEN)
    return text


def _scrub_log(log: EvalLog) -> None:
    """Write a log again without keys, where a server's error put one into it."""
    from inspect_ai.log import EvalLog, write_eval_log

    text = log.model_dump_json()
    clean = scrubbed(text)
    if clean != text:
        write_eval_log(EvalLog.model_validate_json(clean), log.location)
