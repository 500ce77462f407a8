"""What a predictor is, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matscale.errors import UserError
from matscale.results.result import PredictorKind
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


def parse_told(text: str) -> tuple[str, ...]:
    """The fields of a declaration such as ``"composition,tc"``; ``"nothing"`` is the empty one.

    Raises:
        UserError: If a field is not in :data:`FIELDS`.
    """
    if text.strip() == "nothing":
        return ()
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in FIELDS]
    if unknown or not names:
        allowed = ", ".join([*FIELDS, "nothing"])
        found = ", ".join(unknown) or "no field"
        raise UserError(
            f"--told {text!r}: {found} is not something a model can be told ({allowed})"
        )
    return names
