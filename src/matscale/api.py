"""The Python interface: as short as the commands, and the same functions behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from matscale.models.opening import opened
from matscale.report.scorecard import Scorecard
from matscale.results import compare as comparing
from matscale.results import store
from matscale.results.compare import Comparison
from matscale.runtime.errors import UserError, did_you_mean
from matscale.structures import formats
from matscale.structures.reading import Reading
from matscale.tasks.definitions import with_definitions
from matscale.tasks.task import TASKS, find_task

if TYPE_CHECKING:
    from matscale.datasets.particles import ParticleSet
    from matscale.tasks.novelty.settings import NoveltySettings
    from matscale.tasks.perception.settings import PerceptionSettings

Told = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
"""Fields that models were told: ``"composition,tc"``, a list of fields, or either by model."""
Choice = Literal["both", "sound", "published"]
Split = Literal["radius", "material"]


@overload
def score(
    task: Literal["reconstruction"],
    predictions: Any,
    *,
    train: Any = None,
    targets: Any = None,
    name: str | None = None,
    told: Told = None,
    protocol: Choice = "both",
    hygiene: str | None = None,
    column: str = "",
    by_order: bool = False,
    candidates: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
) -> Scorecard: ...


@overload
def score(
    task: Literal["novelty"],
    predictions: Any,
    *,
    train: Any = None,
    held_out: Any = None,
    name: str | None = None,
    relax: str = "none",
    relaxed: bool = False,
    hull: str | Path | None = None,
    top: int = 3,
    protocol: Choice = "both",
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
    notes: Sequence[str] = (),
    settings: NoveltySettings | None = None,
    column: str = "",
    count: int = 1000,
) -> Scorecard: ...


@overload
def score(
    task: Literal["crystal-to-particle"],
    predictions: Any,
    *,
    data: str | Path | ParticleSet,
    split: Split = "radius",
    name: str | None = None,
    protocol: Choice = "both",
    limit: int | None = None,
    told: Told = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
) -> Scorecard: ...


@overload
def score(
    task: Literal["particle-to-crystal"],
    predictions: Any,
    *,
    data: str | Path | ParticleSet,
    split: Split = "radius",
    name: str | None = None,
    protocol: Choice = "both",
    limit: int | None = None,
    hard: str | None = None,
    told: Told = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    command: str = "matscale.score",
) -> Scorecard: ...


@overload
def score(
    task: Literal["perception"],
    predictions: str,
    *,
    data: str | Path = "csmbench",
    protocol: Choice = "both",
    orders: int = 2,
    judge: str | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    command: str = "matscale.score",
    settings: PerceptionSettings | None = None,
) -> Scorecard: ...


def score(task: str, predictions: Any, **options: Any) -> Scorecard:
    """Score predictions on a task.

    Args:
        task: Such as ``"reconstruction"``.
        predictions: Files or folders of predictions, one model each; or, in place of a file, a
            dict of id to pymatgen ``Structure`` or ASE ``Atoms``, a list of those in the order of
            the targets, or a :class:`StructureTable`; or a predictor of your own, as
            :class:`matscale.predictors.predictor.Predictor` describes it. A dict of model's name to
            any of these is several models. For perception the name of a model.
        **options: The task's own, as on the command line; see for instance
            :func:`matscale.tasks.reconstruction.score.score_reconstruction`.

    Returns:
        The results of models, floors and ceiling: ``.table()`` is a data frame, ``.flat()`` a flat
        dict for a logger, ``.report(out)`` writes the page.

    Raises:
        UserError: If an input is missing or an option has a wrong value.
        TypeError: If the task has no such option.
    """
    found = find_task(task)
    check_options(f"score({task!r}, ...)", found.score, options)
    if options.get("out") is not None:
        store.check_folder(Path(options["out"]))
    return found.score(opened(predictions), **options)


class Scorer:
    """Scores many submissions on one question, such as those of a training loop.

    Targets, training set, floors and ceiling are prepared once, when it is made; results are those
    of :func:`score`.
    """

    @overload
    def __init__(
        self,
        task: Literal["reconstruction"],
        *,
        train: Any = None,
        targets: Any = None,
        protocol: Choice = "both",
        hygiene: str | None = None,
        column: str = "",
        by_order: bool = False,
        candidates: int | None = None,
        seed: int = 0,
        workers: int | None = None,
        command: str = "matscale.score",
        notes: Sequence[str] = (),
    ) -> None: ...

    @overload
    def __init__(
        self,
        task: Literal["novelty"],
        *,
        train: Any = None,
        held_out: Any = None,
        relax: str = "none",
        relaxed: bool = False,
        hull: str | Path | None = None,
        top: int = 3,
        protocol: Choice = "both",
        seed: int = 0,
        workers: int | None = None,
        command: str = "matscale.score",
        notes: Sequence[str] = (),
        settings: NoveltySettings | None = None,
        column: str = "",
        count: int = 1000,
    ) -> None: ...

    def __init__(self, task: str, **options: Any) -> None:
        """Prepare.

        Args:
            task: ``"reconstruction"`` or ``"novelty"``.
            **options: Those of :func:`score` that do not change from call to call.

        Raises:
            UserError: If the task prepares nothing, an input is missing, or an option has a wrong
                value.
            TypeError: If there is no such option.
        """
        found = find_task(task)
        if found.scorer is None:
            able = ", ".join(name for name in TASKS if find_task(name).scorer)
            raise UserError(
                f"the {task} task prepares nothing for many calls ({able} do): call "
                f"score({task!r}, ...) each time"
            )
        check_options(f"Scorer({task!r}, ...)", found.scorer, options)
        self._scorer = found.scorer(**options)
        self._scorer.prepare()

    def score(
        self,
        predictions: Any,
        *,
        name: str | None = None,
        told: Told = None,
        out: str | Path | None = None,
    ) -> Scorecard:
        """Score predictions.

        Args:
            predictions: As for :func:`matscale.score`.
            name: What to call the model, if it is one.
            told: What the model was told.
            out: Folder for the results; None writes nothing.

        Raises:
            UserError: If the predictions cannot be used.
        """
        if out is not None:
            store.check_folder(Path(out))
        return self._scorer.score(predictions, name=name, told=told, out=out)


def check_options(call: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Make sure that a function has keyword arguments of the given names.

    Raises:
        TypeError: If it has not; the message says which it has.
    """
    parameters = inspect.signature(function).parameters.values()
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise TypeError(
                f"{call} has no option {name!r}{did_you_mean(name, known)} "
                f"(its options are {', '.join(known)})"
            )
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty and one.name not in options:
            raise TypeError(f"{call} needs the option {one.name!r}")


def read(source: str | Path, *, workers: int | None = None) -> Reading:
    """Read structures from a file, folder, glob or archive; refused items are in the reading."""
    return formats.read(source, workers=workers)


def load_results(*sources: str | Path) -> Scorecard:
    """Load results from their JSON files or folders of them."""
    results, folder = store.load_all([Path(source) for source in sources])
    return Scorecard([with_definitions(result) for result in results], folder)


def compare(first: str | Path, second: str | Path, *, seed: int = 0) -> list[Comparison]:
    """Compare two results of one task on one data set, metric by metric.

    Where both answer the same ids, by a paired bootstrap over these; where each has samples of its
    own (novelty), by an unpaired one.

    Args:
        first: A result's JSON file.
        second: Another's.
        seed: Of the bootstrap.

    Returns:
        The headline metric first. Metrics of both that cannot be compared come last, with no
        difference and the reason in ``sentence``.

    Raises:
        UserError: If a file is not a result, or the two do not answer the same question.
    """
    one, other = Path(first), Path(second)
    left, right = (with_definitions(store.load(path)) for path in (one, other))
    how = find_task(left.task).compared
    return comparing.compare(left, one.parent, right, other.parent, how, seed=seed)
