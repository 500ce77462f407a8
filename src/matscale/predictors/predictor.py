"""What a predictor is, and what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matscale.results.result import PredictorKind
from matscale.runtime.errors import UserError
from matscale.structures.reading import Reading

FIELDS = {
    "composition": "the elements and how many atoms of each are in the target's cell",
    "tc": "the superconducting critical temperature",
    "space_group": "the target's space group",
    "volume": "the volume of the target's cell",
    "cell": "the target's lattice",
    "positions": "where the target's atoms are",
}
"""What a sample can tell about its target."""

ANSWER_FIELDS = frozenset({"cell", "positions"})
"""A predictor told one of these was told part of the answer."""


@dataclass(frozen=True)
class Told:
    """What a predictor sees of the samples: their ids and the fields it is told, nothing else.

    Attributes:
        ids: One a sample.
        fields: Field name to one value a sample.
    """

    ids: Sequence[str]
    fields: Mapping[str, Sequence[Any]]

    def only(self, names: Sequence[str]) -> Told:
        """The same samples with fewer fields."""
        return Told(self.ids, {name: self.fields[name] for name in names})


class Predictor(Protocol):
    """Anything that answers.

    Attributes:
        name: Short name for tables.
        kind: Floor, ceiling or model.
        told: The fields it needs.
    """

    name: str
    kind: PredictorKind
    told: tuple[str, ...]

    def predict(self, told: Told) -> Reading:
        """Answer each sample, or refuse it with a reason.

        Returns:
            A reading whose items are the samples in order; accepted rows bear the samples' ids.
        """


def parse_told(given: str | Sequence[str], known: Iterable[str] = FIELDS) -> tuple[str, ...]:
    """The fields of a declaration such as ``"composition,tc"`` or ``["composition", "tc"]``.

    ``"nothing"`` is the empty one, and so is an empty list.

    Args:
        given: The declaration.
        known: What a model can be told.

    Raises:
        UserError: If a field is not one of them.
    """
    allowed = ", ".join([*known, "nothing"])
    if isinstance(given, str):
        parts = given.split(",")
    elif isinstance(given, Sequence) and all(isinstance(one, str) for one in given):
        parts = list(given)
    else:
        raise UserError(f"told {given!r}: give a text or a list of fields ({allowed})")
    names = tuple(part.strip() for part in parts if part.strip())
    if names == ("nothing",) or not parts:
        return ()
    if not names:
        raise UserError(
            f"--told {given!r} names no field; say 'nothing' for a model that was told nothing"
        )
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"--told {given!r}: {', '.join(unknown)} is not something a model can be told "
            f"({allowed})"
        )
    return names


def declared(
    told: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None,
    names: Sequence[str],
    known: Iterable[str] = FIELDS,
) -> dict[str, tuple[str, ...] | None]:
    """What each model was told; None where nothing was declared.

    Args:
        told: One declaration for all models, or one for each by name.
        names: The models.
        known: What a model can be told.

    Raises:
        UserError: If a declaration is wrong, or is about a model that there is not.
    """
    if told is None:
        return dict.fromkeys(names)
    if not isinstance(told, Mapping):
        return dict.fromkeys(names, parse_told(told, known))
    unknown = sorted(set(told) - set(names))
    if unknown:
        raise UserError(
            f"--told: there is no model {unknown[0]!r} among the submissions ({', '.join(names)})"
        )
    return {name: parse_told(told[name], known) if name in told else None for name in names}
