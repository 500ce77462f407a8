"""Whether a process can still be trusted with a device: its context there can fail for good.

After a fault on an accelerator every later call of the process fails, whatever it is asked. So a
crystal that fails then has not failed: it is asked for again in a process of its own, and so is
every other that the process had. A crystal on which such a process fails too, alone, has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from matscale.energy.factories import probes
from matscale.energy.potential import Evaluation, Potential
from matscale.runtime.errors import UserError
from matscale.runtime.fresh import ProcessDied, in_a_fresh_process
from matscale.structures.table import StructureTable

Answer = TypeVar("Answer")

DEVICE_WORDS = ("cuda", "cudnn", "cublas", "hip error", "accelerator", "device-side", "xpu", "mps")
"""What errors say that come from a device or its libraries, in small letters."""

_failed: dict[tuple[str, str], str] = {}
"""Potentials, by name and device, whose context failed in this process, and what was said."""


class ContextFailed(Exception):  # noqa: N818 - nobody's mistake
    """A process lost its hold on the device: no crystal can be asked for there any more."""


@dataclass(frozen=True)
class Done(Generic[Answer]):
    """What a process made of the crystals that it was given.

    Attributes:
        answers: Place of a crystal among them, and its answer.
        why: What made the process stop before the others; "" if it did not.
    """

    answers: list[tuple[int, Answer]]
    why: str = ""


def evaluated(potential: Potential, table: StructureTable) -> Evaluation:
    """What a potential says of crystals, from a context that still works.

    Raises:
        ContextFailed: If this process's context has failed, now or before.
    """
    key = potential.name, getattr(potential, "device", "cpu")
    if key in _failed:
        raise ContextFailed(_failed[key])
    answer = None
    try:
        answer = potential.evaluate(table)
        said = next(filter(_is_of_a_device, answer.refused.values()), "")
    except RuntimeError as error:
        said = f"{type(error).__name__}: {error}"
        if not _is_of_a_device(said):
            raise
    if said and not _answers(potential):
        _failed[key] = said
        raise ContextFailed(said)
    return answer or _halved(potential, table, said)


def _is_of_a_device(said: str) -> bool:
    return any(word in said.lower() for word in DEVICE_WORDS)


def _answers(potential: Potential) -> bool:
    """Whether two small crystals can be asked for without an error of the device."""
    try:
        refused = potential.evaluate(probes()).refused
    except RuntimeError as error:
        return not _is_of_a_device(f"{type(error).__name__}: {error}")
    return not any(map(_is_of_a_device, refused.values()))


def _halved(potential: Potential, table: StructureTable, said: str) -> Evaluation:
    """The same in two batches, as one was too much; a crystal alone is refused."""
    answer = Evaluation.refusing(table, {})
    if len(table) == 1:
        answer.refused[0] = said
        return answer
    for part in np.array_split(np.arange(len(table)), 2):
        answer.fill(table, part, evaluated(potential, table[part]))
    return answer


def elsewhere(
    function: Callable[[Any], Done[Answer]],
    item_of: Callable[[np.ndarray], Any],
    rows: np.ndarray,
    potential: Potential,
) -> Iterator[tuple[int, Answer | str]]:
    """Each row with its answer from a process of its own, or why even alone there is none.

    Processes that fail are followed by two with half of what is left each, until the crystal that
    fails them is alone.

    Args:
        function: What a process does.
        item_of: What it is given for some rows.
        rows: Crystals.
        potential: Asked for probe crystals before one is said to have failed.

    Raises:
        UserError: If no process can use the device.
    """
    groups = [rows]
    while groups:
        group = groups.pop()
        try:
            done = in_a_fresh_process(function, item_of(group))
        except ProcessDied as error:
            done = Done([], str(error))
        yield from ((int(group[place]), answer) for place, answer in done.answers)
        left = np.delete(group, [place for place, _ in done.answers])
        if len(group) == 1 and len(left):
            _check(potential)
            yield int(group[0]), f"{done.why}, in a process of its own too"
        elif len(left):
            groups += [half for half in np.array_split(left, 2) if len(half)]


def _check(potential: Potential) -> None:
    """Ask a process of its own for the probe crystals.

    Raises:
        UserError: If it cannot answer.
    """
    device = getattr(potential, "device", "cpu")
    try:
        works = in_a_fresh_process(_answers, potential)
    except ProcessDied:
        works = False
    if not works:
        raise UserError(
            f"no process can use {potential.name} on {device} any more; mend the device and run "
            "the same again: crystals that are done are not computed anew where answers are kept"
        )
