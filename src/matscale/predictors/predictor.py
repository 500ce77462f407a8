"""What a predictor is, and what it is told.

A floor, a ceiling, a trained model and a model of your own are the same thing: an object that
declares which fields of a sample it needs and answers samples of which it is told these fields.
``docs/predictors.md`` shows one of 20 lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from matscale.runtime.errors import UserError

CRYSTAL_FIELDS: Mapping[str, str] = {
    "composition": "the elements and how many atoms of each are in the target's cell",
    "tc": "the superconducting critical temperature",
    "space_group": "the target's space group",
    "volume": "the volume of the target's cell",
    "cell": "the target's lattice",
    "positions": "where the target's atoms are",
}
"""What can be told of a crystal that is to be rebuilt.

As values: ``composition`` pairs of atomic number and count, by number; ``tc`` a number in K;
``space_group`` its number at 0.1 Å, 1 to 230; ``volume`` a number in Å^3; ``cell`` lattice vectors
as rows in Å, (3, 3); ``positions`` a pair of atomic numbers (n,) and Cartesian positions (n, 3) in
Å.
"""

ANSWER_FIELDS = frozenset({"cell", "positions"})
"""A predictor of crystals that was told one of these was told part of the answer."""

PARTICLE_FIELDS: Mapping[str, str] = {
    "numbers": "atomic numbers: of the unit cell (crystal-to-particle) or of the particle",
    "fractional": "fractional coordinates of the unit cell's atoms, (n, 3)",
    "lattice": "lattice vectors of the unit cell as rows in Å, (3, 3)",
    "radius": "radius of the particle in Å",
    "positions": "positions of the particle's atoms in Å, (m, 3)",
    "particle_numbers": "atomic numbers of the particle, (m,)",
    "rotation": "rotation matrix of the particle, (3, 3)",
}
"""What can be told of a unit cell and of a particle cut from it."""

FIGURE_FIELDS: Mapping[str, str] = {
    "options": "the captions to choose from",
    "caption": "the caption of the figure that is to be described",
    "another_paragraph": "what another paper's text says of a figure of its own",
}
"""What can be told of a figure without showing it."""

Seed = int | np.random.Generator
"""Where draws come from, as ``numpy.random.default_rng`` takes it; a generator goes on from call to
call."""


class Told(Sequence[Mapping[str, Any]]):
    """What a predictor sees of n samples: the fields that it is told, nothing else.

    ``told[k]`` is a mapping of field to value of one sample, ``told.column(name)`` has one value
    for each sample. There are no ids in it, and no targets.

    Args:
        columns: Field to one value for each sample.
        count: Number of samples; needed where there are no fields.

    Raises:
        ValueError: If the columns disagree with each other or with the count.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], count: int | None = None) -> None:
        self._columns = {name: tuple(values) for name, values in columns.items()}
        lengths = {len(values) for values in self._columns.values()}
        lengths |= set() if count is None else {count}
        if len(lengths) != 1:
            raise ValueError(f"samples cannot be {sorted(lengths)} at once: one value each")
        self._count = lengths.pop()

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> Told:
        """From samples one by one, with the fields that each of them has."""
        columns = {name: [sample[name] for sample in samples] for name in fields}
        return cls(columns, len(samples))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what is told."""
        return tuple(self._columns)

    def column(self, name: str) -> tuple[Any, ...]:
        """One value for each sample.

        Raises:
            KeyError: If the field is not told.
        """
        return self._columns[name]

    def only(self, names: Sequence[str]) -> Told:
        """The same samples with fewer fields.

        Raises:
            KeyError: If a field is not told.
        """
        return Told({name: self._columns[name] for name in names}, self._count)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """One sample, or the samples of a slice as another :class:`Told`."""
        if isinstance(index, slice):
            columns = {name: values[index] for name, values in self._columns.items()}
            return Told(columns, len(range(self._count)[index]))
        if not -self._count <= index < self._count:
            raise IndexError(f"sample {index} of {self._count}")
        return {name: values[index] for name, values in self._columns.items()}

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[row] for row in range(self._count))

    def __repr__(self) -> str:
        return f"Told({self._count} samples: {', '.join(self.fields) or 'nothing'})"


class Predictor(Protocol):
    """Anything that answers.

    Two more things are looked at where they exist. ``kind`` is ``"floor"``, ``"ceiling"`` or
    ``"model"``, the last by default. ``fit(training)`` is called once, before anything is asked,
    with a :class:`matscale.predictors.training.Training`.

    Attributes:
        name: Short name for tables and files.
        told: The fields that it needs.
    """

    @property
    def name(self) -> str:
        """Short name for tables and files."""

    @property
    def told(self) -> tuple[str, ...]:
        """The fields that it needs."""

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Answer samples, in order.

        Args:
            told: The samples.
            candidates: Answers wanted to each sample.
            seed: Of draws: the same seed gives the same answers.

        Returns:
            One answer for each sample, None where there is none, a
            :class:`matscale.runtime.errors.Refused` where it is said why. Where more than one
            candidate is wanted, for each sample a sequence of at most so many, best first.
        """


def one_each(answers: Iterable[Any], candidates: int) -> list[Any]:
    """What a predictor returns that has one answer to each sample, however many are wanted."""
    return list(answers) if candidates == 1 else [[answer] for answer in answers]


def parse_told(
    given: str | Sequence[str], known: Iterable[str] = CRYSTAL_FIELDS
) -> tuple[str, ...]:
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
    elif isinstance(given, Sequence) and all(isinstance(name, str) for name in given):
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
    known: Iterable[str] = CRYSTAL_FIELDS,
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
