"""The same questions as tasks of inspect-ai's own command line.

``inspect eval matscale/csmbench_mcq --model openai/gpt-4o -T data=FOLDER`` finds them through the
package's entry point. Floors, intervals and the page come with ``matscale score perception``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, get_args

from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
from inspect_ai.solver import TaskState

from matscale.figures.folder import read_figures
from matscale.figures.items import Figure, Kind
from matscale.results.result import Protocol
from matscale.runtime.errors import UserError
from matscale.tasks.perception.engine import task_of
from matscale.tasks.perception.keys import guard
from matscale.tasks.perception.questions import check_orders, judged, questions_of, read_score
from matscale.tasks.perception.score import CSMBENCH, find_figures

Maker = TypeVar("Maker", bound=Callable[..., Task])


def _plainly(make: Maker) -> Maker:
    """What a user did wrong as inspect-ai says it: in a sentence, without a traceback."""

    @wraps(make)
    def made(*args: Any, **kwargs: Any) -> Task:
        try:
            return make(*args, **kwargs)
        except UserError as error:
            raise PrerequisiteError(str(error)) from None

    return made  # type: ignore[return-value]


@task
@_plainly
def csmbench_mcq(
    data: str = CSMBENCH,
    protocol: Protocol = "sound",
    orders: int = 1,
    blind: bool = False,
    seed: int = 0,
) -> Task:
    """Which of four captions is the figure's.

    Args:
        data: Folder of figures, a list of CSMBench's authors, or the fetched dataset's name.
        protocol: ``"sound"`` or ``"published"``.
        orders: In how many orders options are shown (sound).
        blind: Whether the figures are kept back.
        seed: Of the orders.
    """
    check_orders(orders)
    _check(protocol)
    figures = _figures(data, "mcq")
    asked = questions_of(figures, protocol, seen=not blind, orders=orders, seed=seed)
    return task_of("csmbench_mcq", protocol, list(asked))


@task
@_plainly
def csmbench_numeric(data: str, blind: bool = False) -> Task:
    """A number to read off a drawn figure."""
    figures = _figures(data, "numeric")
    asked = questions_of(figures, "sound", seen=not blind, orders=1, seed=0)
    return task_of("csmbench_numeric", "sound", list(asked))


@task
@_plainly
def csmbench_open(data: str = CSMBENCH, protocol: Protocol = "sound", blind: bool = False) -> Task:
    """A description, scored by the model of the role "grader" (``--model-role grader=...``)."""
    _check(protocol)
    figures = _figures(data, "open")
    asked = questions_of(figures, protocol, seen=not blind, orders=1, seed=0)
    grade = _judge({f"{one.id}@0": one for one in figures}, protocol)
    return task_of("csmbench_open", protocol, list(asked), grade)


def _check(protocol: str) -> None:
    known = get_args(Protocol)
    if protocol not in known:
        raise UserError(f"protocol {protocol!r} is not one of {', '.join(known)}")


def _figures(data: str, kind: Kind) -> tuple[Figure, ...]:
    found = read_figures(find_figures(data)).of(kind)
    if not found:
        raise UserError(f"{data} holds no usable figure of the kind {kind!r}")
    return found


def _judge(figures: dict[str, Figure], protocol: Protocol) -> Scorer:
    @scorer(metrics=[mean()], name="matscale_judge")
    def judge() -> Callable[..., Any]:
        async def score(state: TaskState, target: Target) -> Score:
            figure = figures[str(state.sample_id)]
            question = judged(figure, state.output.completion, protocol)
            said = await guard(get_model(role="grader")).generate(question.prompt, cache=True)
            value = read_score(said.completion, protocol)
            shown = float("nan") if value is None else float(value)
            return Score(value=shown, explanation=said.completion)

        return score

    return judge()
