"""Which answer is to which target: by id, or by order where answers have no ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from matscale.datasets.hygiene import ids_in_order
from matscale.predictors.submissions.crystals import Submission
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading

_NUMBERS = re.compile(r"(\d+)")


def by_place(reading: Reading) -> list[str]:
    """The id of each item in the order in which a test set counts it.

    That is the order of the source; of files in a folder or archive, which come by name, it is
    that of the numbers in their names, so that ``gen_10`` comes after ``gen_9``.
    """
    ids = ids_in_order(reading)
    if 0 < reading.named_by_file == reading.submitted:
        return sorted(ids, key=_natural)
    return ids


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A key to sort names by, in which the numbers of names count as numbers."""
    parts = _NUMBERS.split(name)
    return [(0, part) if place % 2 == 0 else (1, int(part)) for place, part in enumerate(parts)]


def aligned(
    submissions: Sequence[Submission],
    ids: Sequence[str],
    *,
    by_order: bool = False,
    candidates: int | None = None,
) -> list[Submission]:
    """The submissions with the ids of the targets.

    Answers that have ids keep them. Answers without ids are given those of the targets by order,
    and so are all where ``by_order`` is set; several answers in one place, such as evaluations
    of DiffCSP, are candidates for one target and get one id.

    Args:
        submissions: What was submitted.
        ids: Ids of the targets, in order.
        by_order: Whether the ids of answers are not to be looked at.
        candidates: How many for each target are scored at most; None for all.

    Raises:
        UserError: If there is not one answer per target where order must tell, or no answer has
            the id of a target.
    """
    return [
        _noted(_aligned(submission, ids, by_order), ids, candidates) for submission in submissions
    ]


def most_candidates(reading: Reading, ids: Sequence[str]) -> int:
    """The most candidates, readable or not, that a reading has for one of the targets."""
    return max(_counts(reading, ids).values(), default=1)


def _counts(reading: Reading, ids: Sequence[str]) -> Counter[str]:
    asked = set(ids)
    return Counter(name for name in ids_in_order(reading) if name in asked)


def _aligned(submission: Submission, ids: Sequence[str], by_order: bool) -> Submission:
    if submission.predictor is not None:
        return submission
    submission = _of_folders(submission, ids)
    reading = submission.predictions
    names = list(dict.fromkeys(by_place(reading)))
    placed = reading.unnamed == reading.submitted
    if by_order or placed:
        if len(names) != len(ids):
            raise UserError(_count_error(submission, names, ids, by_order))
        return _renamed(submission, dict(zip(names, ids, strict=True)), placed)
    if not len(reading.table):
        reasons = ", ".join(f"{count} {why}" for why, count in reading.refused_by_reason.items())
        first = reading.refusals[0]
        raise UserError(
            f"nothing in {submission.name} can be read ({reasons}; the first, {first.id!r}: "
            f"{first.detail or first.reason}); check {submission.source}"
        )
    if not set(names) & set(ids):
        raise UserError(_overlap_error(submission, names, ids))
    return submission


def _of_folders(submission: Submission, ids: Sequence[str]) -> Submission:
    """Files of an archive in folders called as targets, such as ``A/1.cif``, are candidates for A.

    They are in the order of the numbers in their names.
    """
    reading = submission.predictions
    targets = set(ids)
    new = {
        name: folder
        for name in ids_in_order(reading)
        if name not in targets and (folder := name.rpartition("/")[0].rpartition("/")[2]) in targets
    }
    if not new or reading.named_by_file != reading.submitted:
        return submission
    names = reading.table.ids.tolist()
    order = sorted(range(len(names)), key=lambda row: _natural(names[row]))
    reading = replace(reading, table=reading.table[order], items=reading.items[order])
    return replace(submission, predictions=_under(reading, new))


def _under(reading: Reading, new: Mapping[str, str]) -> Reading:
    """A reading under new ids; who has none keeps the old one."""
    return replace(
        reading,
        table=reading.table.with_ids([new.get(name, name) for name in reading.table.ids]),
        refusals=tuple(replace(one, id=new.get(one.id, one.id)) for one in reading.refusals),
        warnings=tuple(replace(one, id=new.get(one.id, one.id)) for one in reading.warnings),
    )


def _renamed(submission: Submission, new: dict[str, str], placed: bool) -> Submission:
    """The submission under new ids, with a note; ``placed`` says that it had none of its own."""
    reading = submission.predictions
    if all(old == name for old, name in new.items()):
        return submission
    example = next(iter(new.items()))
    why = "which have no ids" if placed else "whatever their ids"
    said = (
        f"The answers of {submission.name}, {why}, are taken in the order of the targets: "
        f"{example[0]} is the answer to {example[1]}, and so on."
    )
    reading = replace(_under(reading, new), remarks=(said, *reading.remarks))
    return replace(submission, predictions=reading)


def _noted(submission: Submission, ids: Sequence[str], candidates: int | None) -> Submission:
    """With a note where some targets have several candidates."""
    reading = submission.predictions
    counts = _counts(reading, ids)
    several = {name: count for name, count in counts.items() if count > 1}
    if not several:
        return submission
    most = max(several.values())
    if len(several) == len(ids) and most == min(several.values()):
        has = f"{submission.name} has {most} candidates for each target"
    else:
        has = (
            f"{submission.name} has several candidates for {len(several)} of {len(ids)} targets "
            f"(up to {most}, such as for {next(iter(several))})"
        )
    said = f"{has}, ranked by their order: {_looked_at(most, candidates)}."
    return replace(submission, predictions=replace(reading, remarks=(*reading.remarks, said)))


def _looked_at(most: int, candidates: int | None) -> str:
    """What the metrics look at, in words."""
    if candidates == 1:
        return "the first that can be read is scored"
    first = "" if candidates is None or candidates >= most else f", of which {candidates} count"
    return (
        f"metrics of the best of k look at the first k that can be read{first}, all others at the "
        "first"
    )


# --- what goes wrong -----------------------------------------------------------------------


def _count_error(
    submission: Submission, names: Sequence[str], ids: Sequence[str], by_order: bool
) -> str:
    without = "" if by_order else " without ids"
    return (
        f"{submission.name} holds {_counted(len(names), 'answer')}{without} and "
        f"{_counted(len(ids), 'target')} {'is' if len(ids) == 1 else 'are'} asked for, so order "
        "does not tell which is the answer to which: give one answer per target, or ids such as "
        f"{_some(ids)}; {_generated(submission)}"
    )


def _overlap_error(submission: Submission, names: Sequence[str], ids: Sequence[str]) -> str:
    return (
        f"no id in {submission.name} ({_some(names)}) is that of a target ({_some(ids)}): "
        f"give answers the ids of their targets, or use --by-order if they are in the order of the "
        f"targets (one answer per target: here {_counted(len(names), 'answer')} and "
        f"{_counted(len(ids), 'target')}); {_generated(submission)}"
    )


def _generated(submission: Submission) -> str:
    return (
        "crystals that were generated without targets are scored with "
        f"`matscale score novelty {submission.source} --train ...`"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _some(names: Sequence[str]) -> str:
    """Three of the ids."""
    shown = ", ".join(repr(name[:40]) for name in islice(names, 3))
    return f"{shown}, ..." if len(names) > 3 else shown
