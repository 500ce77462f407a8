"""What is asked: the ids, their targets, and the training set that floors may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from matscale import datasets
from matscale.predictors.predictor import ANSWER_FIELDS, CRYSTAL_FIELDS, Told
from matscale.predictors.submissions.crystals import Submission
from matscale.predictors.training import PROPERTIES, CrystalTraining, crystal_fields
from matscale.results.result import Dataset
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading, warning_notes
from matscale.structures.table import StructureTable
from matscale.tasks.asking import Telling
from matscale.tasks.reconstruction.by_order import by_place

SUBMITTED = "submitted"
"""As ``targets``: the ones that the submissions carry."""


@dataclass(frozen=True)
class ReconstructionQuestion:
    """Held-out crystals to rebuild.

    Attributes:
        ids: Every id that was asked for, (N,), unique, in the order of the source: the denominator
            of every rate.
        targets: The targets that can be read; its ids are among ``ids``.
        rows: Row of ``targets`` for each id, (N,); -1 where the target cannot be read.
        train: Training crystals, without any that bear the id of a target; or None.
        dataset: What the result says of all this.
        notes: What a reader must know, one sentence each.
        own_targets: Whether the targets are those that the submissions carry.
        copied: Ids of targets of which the training set has an exact copy under another id.
        properties: Values of targets by property and id, such as ``tc`` in K.
        train_properties: The same of the training crystals.
    """

    ids: tuple[str, ...]
    targets: StructureTable
    rows: np.ndarray
    train: StructureTable | None
    dataset: Dataset
    notes: tuple[str, ...]
    own_targets: bool = False
    copied: frozenset[str] = frozenset()
    properties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    train_properties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def told(self, fields: Sequence[str]) -> Told:
        """What predictors may see of the readable targets, in the order of ``targets``.

        Args:
            fields: Keys of :data:`matscale.predictors.predictor.CRYSTAL_FIELDS`.

        Raises:
            UserError: If the data set has no such property of its targets.
            Refused: If a field is not known of one of them.
        """
        rows = range(len(self.targets))
        return Told.of([self._tell(row, fields) for row in rows], fields)

    def telling(self) -> Telling:
        """The same, sample by sample, for :mod:`matscale.tasks.asking`."""
        return Telling(
            count=len(self.targets),
            known=CRYSTAL_FIELDS,
            usual=("composition",),
            answer=ANSWER_FIELDS,
            tell=self._tell,
        )

    def training(self) -> CrystalTraining | None:
        """What predictors learn from."""
        if self.train is None:
            return None
        return CrystalTraining(self.train, self.train_properties)

    def _tell(self, row: int, fields: Sequence[str]) -> dict[str, Any]:
        for name in PROPERTIES & set(fields):
            values = self.properties.get(name, {})
            if not any(identifier in values for identifier in self.targets.ids):
                raise UserError(
                    f"a predictor is to be told {name}, which {self.dataset.name} does not have of "
                    "its targets; give a dataset that has it with targets=, or a predictor that is "
                    "told less"
                )
        return crystal_fields(self.targets, row, fields, self.properties)


def ask(
    submissions: Sequence[Submission],
    *,
    training: datasets.Dataset | None,
    targets: datasets.Dataset | str | None,
) -> ReconstructionQuestion:
    """Decide what was asked.

    The targets are those of :func:`asked_dataset`, else the ones that the submissions carry.

    Args:
        submissions: The submissions to score.
        training: Training structures.
        targets: Targets, or :data:`SUBMITTED` for the ones that the submissions carry, or None.

    Raises:
        UserError: If nothing says what the targets are.
    """
    asked, notes = asked_dataset(submissions, training, targets)
    if asked is not None:
        return question_of(asked, training)
    return _complete(_from_submissions(submissions), training, notes)


def asked_dataset(
    submissions: Sequence[Submission],
    training: datasets.Dataset | None,
    targets: datasets.Dataset | str | None,
) -> tuple[datasets.Dataset | None, tuple[str, ...]]:
    """The dataset that was asked: ``targets``, else the one whose training split is used.

    Returns:
        It; None where there is none, or where a submission carries other targets than the test
        split of the training set; and what must be said of that.
    """
    if isinstance(targets, datasets.Dataset):
        return targets, ()
    if targets is None and training is not None and "test" in training.splits:
        strange = _strange(submissions, training)
        return (None, strange) if strange else (training, ())
    return None, ()


def question_of(
    asked: datasets.Dataset, training: datasets.Dataset | None
) -> ReconstructionQuestion:
    """The question whose targets are a dataset's, whatever is submitted."""
    return _complete(_from_dataset(asked), training, ())


def _complete(
    question: ReconstructionQuestion, training: datasets.Dataset | None, notes: tuple[str, ...]
) -> ReconstructionQuestion:
    hygiene = question.dataset.hygiene or (training.hygiene if training else None)
    if hygiene:
        notes += (f"Hygiene step {hygiene!r} was applied to the dataset.",)
    said = list(notes)
    if training:
        question = _with_training(question, training, said)
    return replace(question, notes=(*question.notes, *said))


def _strange(submissions: Sequence[Submission], dataset: datasets.Dataset) -> tuple[str, ...]:
    """A sentence if a submission carries targets that are not of the dataset's test split."""
    test = set(dataset.splits["test"].ids)
    for submission in submissions:
        if submission.targets is None:
            continue
        strange = [name for name in submission.targets.table.ids if name not in test]
        if strange:
            return (
                f"{len(strange)} ids of {submission.name} (such as {strange[0]}) are not in the "
                f"test split of {dataset.name}, so the targets are the submissions' own.",
            )
    return ()


def _from_dataset(dataset: datasets.Dataset) -> ReconstructionQuestion:
    split = "test" if "test" in dataset.splits else next(iter(dataset.splits))
    described = Dataset(name=dataset.name, split=split, sha256="", size=0, hygiene=dataset.hygiene)
    question = _from_readings([dataset.reading(split)], described, dataset.notes)
    return replace(question, properties=_values_of(dataset, question.targets))


def _values_of(dataset: datasets.Dataset, table: StructureTable) -> dict[str, dict[str, float]]:
    """Properties of some crystals of a dataset, and of no others, by name and id."""
    return {name: _values(dataset.properties.get(name, {}), name, table) for name in PROPERTIES}


def _values(known: Mapping[str, float], name: str, table: StructureTable) -> dict[str, float]:
    """The numbers that a dataset knows of crystals, or that a column of their table holds."""
    column = table.columns.get(name, np.full(len(table), np.nan))
    values = {}
    for identifier, own in zip(table.ids.tolist(), column.tolist(), strict=True):
        value = known.get(identifier, own)
        if isinstance(value, int | float) and np.isfinite(value):
            values[identifier] = float(value)
    return values


def _from_submissions(submissions: Sequence[Submission]) -> ReconstructionQuestion:
    carried = [submission.targets for submission in submissions if submission.targets is not None]
    if not carried:
        raise UserError(
            "nothing says what the targets are: the submissions carry none, so name a dataset "
            "with --train, or a dataset or a file of targets with --targets"
        )
    files = ", ".join(s.name for s in submissions if s.targets is not None)
    notes = (f"The targets are those that the submissions carry ({files}).",)
    dataset = Dataset(name=f"targets of {files}", sha256="", size=0)
    return replace(_from_readings(carried, dataset, notes), own_targets=True)


def _from_readings(
    readings: Sequence[Reading], dataset: Dataset, notes: tuple[str, ...]
) -> ReconstructionQuestion:
    """Every id of the readings is asked; the first readable structure of an id is its target."""
    table = _first_of_each_id(StructureTable.concatenate([reading.table for reading in readings]))
    repeated = sum(
        len(reading.table) - len(np.unique(reading.table.ids.astype(str))) for reading in readings
    )
    if repeated:
        were = "target repeats" if repeated == 1 else "targets repeat"
        notes += (f"{repeated} {were} the id of an earlier one and cannot be asked for.",)
    warnings = [warning for reading in readings for warning in reading.warnings]
    notes += warning_notes(warnings, "the targets")
    if not len(table):
        raise UserError(f"none of the targets of {dataset.name} can be read")
    row = {name: place for place, name in enumerate(table.ids)}
    ids = tuple(dict.fromkeys(name for reading in readings for name in by_place(reading)))
    return ReconstructionQuestion(
        ids=ids,
        targets=table,
        rows=np.array([row.get(name, -1) for name in ids], dtype=np.int64),
        train=None,
        dataset=dataset.model_copy(update={"sha256": table.sha256(), "size": len(ids)}),
        notes=notes,
    )


def _first_of_each_id(table: StructureTable) -> StructureTable:
    _, first = np.unique(table.ids.astype(str), return_index=True)
    return table if len(first) == len(table) else table[np.sort(first)]


def _with_training(
    question: ReconstructionQuestion, training: datasets.Dataset, notes: list[str]
) -> ReconstructionQuestion:
    split = "train" if "train" in training.splits else next(iter(training.splits))
    table = training.splits[split]
    shared = np.isin(table.ids.astype(str), np.array(question.ids, dtype=str))
    if shared.any():
        notes.append(
            f"{shared.sum()} targets stand in the training set under the same id; floors and the "
            "memorisation split use the training set without them."
        )
        table = table[~shared]
    copied = frozenset(name for name, _ in datasets.leaks(table, question.targets).duplicates)
    if copied:
        notes.append(
            f"{len(copied)} of {len(question.ids)} targets are copied exactly in the training set "
            "under another id; they are scored like the others, and the group 'not copied' is "
            "without them."
        )
    if not len(table):
        raise UserError(f"the training set {training.name} holds no structures besides the targets")
    refused = len(training.reading(split).refusals)
    if refused:
        notes.append(f"{refused} training structures cannot be read and are not used.")
    notes += warning_notes(training.reading(split).warnings, "the training set")
    dataset = question.dataset.model_copy(
        update={
            "train_name": training.name,
            "train_sha256": table.sha256(),
            "train_size": len(table),
        }
    )
    properties = _values_of(training, table)
    return replace(
        question, train=table, dataset=dataset, copied=copied, train_properties=properties
    )
