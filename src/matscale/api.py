"""The Python interface: as short as the commands, and the same functions behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscale.report.scorecard import Scorecard
from matscale.results import compare as comparing
from matscale.results import store
from matscale.results.compare import Comparison
from matscale.structures import formats
from matscale.structures.reading import Reading
from matscale.tasks.task import find_task


def score(task: str, predictions: Any, **options: Any) -> Scorecard:
    """Score predictions on a task.

    Args:
        task: Such as ``"reconstruction"``.
        predictions: Files or folders of predictions, one model each; for particles also Python
            objects that predict, for perception the name of a model.
        **options: The task's own, as on the command line; see for instance
            :func:`matscale.tasks.reconstruction.score.score_reconstruction`.

    Returns:
        The results of models, floors and ceiling: ``.table()`` is a data frame, ``.report(out)``
        writes the page.

    Raises:
        UserError: If an input is missing or an option is wrong.
    """
    found = find_task(task)
    if options.get("out") is not None:
        store.check_folder(Path(options["out"]))
    return found.score(predictions, **options)


def read(source: str | Path, *, workers: int | None = None) -> Reading:
    """Read structures from a file, folder, glob or archive; refused items are in the reading."""
    return formats.read(source, workers=workers)


def load_results(*sources: str | Path) -> Scorecard:
    """Load results from their JSON files or folders of them."""
    results, folder = store.load_all([Path(source) for source in sources])
    return Scorecard(results, folder)


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
        UserError: If a file is no result, or the two do not answer the same question.
    """
    one, other = Path(first), Path(second)
    left, right = store.load(one), store.load(other)
    how = find_task(left.task).compared
    return comparing.compare(left, one.parent, right, other.parent, how, seed=seed)
