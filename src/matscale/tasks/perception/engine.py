"""Asking models through inspect-ai: its tasks, providers, concurrency, retries, cache and logs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscale.figures.images import sendable
from matscale.figures.quantities import WITHIN, relative_error, stated_number
from matscale.results.result import Protocol
from matscale.runtime.errors import UserError, missing_extra
from matscale.tasks.perception.keys import endpoint, guard, scrubbed
from matscale.tasks.perception.progress import Progress
from matscale.tasks.perception.prompts import MOST_TOKENS
from matscale.tasks.perception.questions import (
    Batch,
    FigureQuestion,
    Reply,
    read_letter,
    read_score,
)
from matscale.tasks.perception.replies import EMPTY, check_usable, plain, replies

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.log import EvalLog
    from inspect_ai.model import Model
    from inspect_ai.scorer import Scorer

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

    Replies are remembered by inspect-ai's cache, by model, its address, prompt, picture, repeat and
    settings: a run that
    was cut short, or is repeated, asks only what has no reply yet.

    Args:
        batches: With different names; those of one model run together.
        logs: Folder for inspect-ai's logs.
        patience: Retries and time-outs.

    Returns:
        Replies by name of batch and id of question.

    Raises:
        UserError: If inspect-ai is not installed, or a model cannot be used at all.
        KeyboardInterrupt: If someone interrupted it; what was answered is remembered.
    """
    require_inspect()
    found: dict[str, dict[str, Reply]] = {}
    for model in dict.fromkeys(batch.model for batch in batches):
        part = [batch for batch in batches if batch.model == model and batch.questions]
        if part:
            done = _evaluate(part, model, logs, patience or Patience())
            for batch in part:
                found[batch.name] = replies(batch, done[batch.name])
                check_usable(batch, found[batch.name])
    return found


def _evaluate(
    batches: Sequence[Batch], model: str, logs: Path, patience: Patience
) -> dict[str, EvalLog]:
    """The log of each batch by its name."""
    from inspect_ai import eval as inspect_eval
    from inspect_ai._util.error import PrerequisiteError
    from inspect_ai.model import get_model

    progress = Progress(f"asking {model}", sum(len(batch.questions) for batch in batches))
    watched = sys.stdout.isatty() and sys.stderr.isatty()
    if not watched:
        print(f"{progress.label}: {progress.total} questions; logs in {logs}", file=sys.stderr)
    try:
        with nullcontext() if watched else progress.told():
            done = inspect_eval(
                [task_of(one.name, one.protocol, one.questions, None, progress) for one in batches],
                # A remembered client would keep the key and address of an earlier call.
                model=get_model(model, memoize=False),
                log_dir=str(logs),
                display="rich" if watched else "none",
                log_level="error",
                # The pictures are in the data already, and would be in every log again.
                log_images=False,
                max_retries=patience.retries,
                attempt_timeout=patience.attempt_s,
            )
    except (PrerequisiteError, ImportError, ValueError) as error:
        said = scrubbed(plain(str(getattr(error, "message", error))))
        raise UserError(f"the model {model!r} cannot be asked: {said}") from None
    found = {log.eval.task: log for log in done}
    # Interrupted, inspect-ai does not raise: it returns the logs of what it had begun.
    if any(one.name not in found or found[one.name].status == "cancelled" for one in batches):
        raise KeyboardInterrupt
    return found


# --- inspect-ai's tasks ------------------------------------------------------------------


def task_of(
    name: str,
    protocol: Protocol,
    questions: Sequence[FigureQuestion],
    scorer: Scorer | None = None,
    progress: Progress | None = None,
) -> Task:
    """A task of inspect-ai that asks the questions; all are of one form."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset
    from inspect_ai.model import GenerateConfig

    form = questions[0].form
    return Task(
        name=name,
        dataset=MemoryDataset([_sample(one) for one in questions], name=name),
        solver=[_remembering(progress)],
        scorer=scorer or _scorer_of(form, protocol),
        # What was not answered counts as wrong in inspect-ai's own log too, not as not asked.
        fail_on_error=False,
        score_on_error=True,
        config=GenerateConfig(max_tokens=MOST_TOKENS.get((protocol, form))),
    )


def _sample(question: FigureQuestion) -> Any:
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText

    content: list[Any] = [ContentText(text=question.prompt)]
    if question.image is not None:
        content.append(ContentImage(image=sendable(question.image)))
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


def _remembering(progress: Progress | None) -> Any:
    from inspect_ai.model import CachePolicy, get_model
    from inspect_ai.solver import solver

    @solver(name="matscale_ask")
    def ask_once() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            model = get_model()
            _never_empty(model)
            scopes = {name: str(state.metadata[name]) for name in ("image", "repeat")}
            scopes["endpoint"] = endpoint(model)
            try:
                return await generate(state, cache=CachePolicy(expiry=None, scopes=scopes))
            finally:
                if progress:
                    progress.done += 1

        return solve

    return ask_once()


def _never_empty(model: Model) -> None:
    """Guard a model, and make an empty reply an error: it is not remembered but asked for again.

    A provider that filters a reply, and a budget of tokens spent on thinking, say nothing.
    """
    if not isinstance(model.api.generate, _NeverEmpty):
        model.api.generate = _NeverEmpty(guard(model).api.generate)  # type: ignore[method-assign]


class _NeverEmpty:
    """A guarded provider's ``generate`` that raises where it has nothing to hand on."""

    holds_no_keys = True

    def __init__(self, generate: Any) -> None:
        self._generate = generate

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        answer = await self._generate(*args, **kwargs)
        output = answer[0] if isinstance(answer, tuple) else answer
        if not isinstance(output, Exception) and not output.completion.strip():
            raise RuntimeError(f"{EMPTY}, stopped by {output.stop_reason}")
        return answer


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
            right = said is not None and relative_error(said, float(target.text)) <= WITHIN
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
