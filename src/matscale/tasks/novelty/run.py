"""One run of the novelty task: every predictor through the same stages, then lines and results."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matscale.energy.potential import Potential
from matscale.metrics import sites
from matscale.report.scorecard import Scorecard
from matscale.results import result as schema
from matscale.results.measure import between_floor_and_ceiling, without_reversed_skill
from matscale.results.paths import shown_path
from matscale.results.provenance import provenance
from matscale.results.samples import SCORED
from matscale.results.store import save
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.novelty import measures
from matscale.tasks.novelty.classify import Verdicts, classify
from matscale.tasks.novelty.export import Judged, export_classes, save_crystals
from matscale.tasks.novelty.notes import predictor_notes
from matscale.tasks.novelty.samples import (
    Samples,
    unread_samples,
    without_own_images,
    write_moved,
    write_reasons,
    write_validity,
    write_verdicts,
)
from matscale.tasks.novelty.settings import NoveltySettings
from matscale.tasks.novelty.specs import SPECS
from matscale.tasks.novelty.stages import Moved, References, Stages, references
from matscale.tasks.novelty.training import Described, described
from matscale.tasks.novelty.valid import Validity, validity

Question = dict[str, float | int | str | bool]
"""Settings by name."""


@dataclass(frozen=True)
class Entrant:
    """One predictor's crystals."""

    predictor: schema.Predictor
    reading: Reading


@dataclass(frozen=True)
class Prepared:
    """An entrant's crystals after the stages that look at them one by one.

    Attributes:
        validity: Of all rows that were read, as they came.
        rows: Rows that are valid under one protocol at least, and so are moved and compared.
        moved: Those rows, relaxed or as they came.
        seconds: Wall time so far.
    """

    entrant: Entrant
    validity: Validity
    rows: np.ndarray
    moved: Moved
    seconds: float


@dataclass(frozen=True)
class Scored:
    """An entrant's samples, and what they were made of.

    Attributes:
        samples: As the sound protocol has them, which is how they are written and drawn.
        published: As the published one has them.
        table: The crystals that were read, relaxed where the run relaxes.
        verdicts: What the comparison found, for its counts.
        missing: Chemical elements without a reference, and how many crystals that concerns.
        seconds: Wall time.
    """

    entrant: Entrant
    samples: Samples
    published: Samples
    table: StructureTable
    verdicts: Verdicts
    missing: dict[str, int]
    seconds: float

    def under(self, protocol: schema.Protocol) -> Samples:
        """The samples as a protocol has them."""
        return self.samples if protocol == "sound" else self.published


@dataclass(frozen=True)
class Baselines:
    """The reference line and floors, which are the same for many submissions of one size.

    Attributes:
        entrants: As they answer.
        prepared: Their crystals, looked at one by one.
        scored: Their verdicts; None with energies, where they hang on the models too.
    """

    entrants: list[Entrant]
    prepared: list[Prepared]
    scored: list[Scored] | None


@dataclass(frozen=True)
class Run:
    """What all predictors of one run share.

    Attributes:
        train: Training crystals as given.
        training: The same, described.
        dataset: What the results say of it.
        notes: What a reader must know of all of it.
        stages: Settings and memory.
        question: What all verdicts of the run hang on, see :func:`question_of`.
        command: For the provenance.
    """

    train: StructureTable
    training: Described
    dataset: schema.Dataset
    notes: tuple[str, ...]
    stages: Stages
    question: Question
    command: str

    def baselines(self, entrants: Sequence[Entrant]) -> Baselines:
        """The reference line and floors, as far as they can be judged without the models.

        With energies, what lies on the hull depends on the models' elements.
        """
        prepared = [self._prepare(entrant) for entrant in entrants]
        scored = None
        if self.stages.potential is None:
            scored = [self._compare(one, References(None)) for one in prepared]
        return Baselines(list(entrants), prepared, scored)

    def score(
        self,
        known: Baselines,
        models: Sequence[Entrant],
        protocols: Sequence[schema.Protocol],
        folder: Path | None,
    ) -> Scorecard:
        """Score models, draw the lines of floors and held-out crystals, write the results."""
        prepared = [self._prepare(entrant) for entrant in models]
        everybody = [*known.prepared, *prepared]
        hull = references(self.stages, self.train, [one.moved.table for one in everybody])
        own = known.scored or [self._compare(one, hull) for one in known.prepared]
        scored = [*own, *(self._compare(one, hull) for one in prepared)]
        files = [self._save(one, folder) if folder else {} for one in scored]
        results: list[schema.Result] = []
        for protocol in protocols:
            plain = [self._result(one, scored, hull, protocol) for one in scored]
            floors = [one for one in plain if one.predictor.kind == "floor"]
            ceiling = next((one for one in plain if one.predictor.kind == "ceiling"), None)
            for one, names in zip(plain, files, strict=True):
                lined = between_floor_and_ceiling(one, floors, ceiling)
                results.append(without_reversed_skill(lined).model_copy(update=names))
        if folder:
            for one in results:
                save(one, folder)
        return Scorecard(results, folder)

    def _prepare(self, entrant: Entrant) -> Prepared:
        start = time.perf_counter()
        name, table = entrant.predictor.name, entrant.reading.table
        found = validity(table, self.stages.memory, label=f"validity of {name}")
        # What is valid under the sound protocol is valid under the published one too.
        rows = np.flatnonzero(found.published)
        moved = self.stages.move_submitted(table[rows], label=name)
        return Prepared(entrant, found, rows, moved, time.perf_counter() - start)

    def _compare(self, one: Prepared, hull: References) -> Scored:
        start = time.perf_counter()
        training = self.training
        entrant, moved = one.entrant, one.moved
        reading = entrant.reading
        samples = unread_samples(reading)
        write_validity(samples, reading.items, reading.table, one.validity)
        above = hull.distances(moved.table, moved.energies)
        write_moved(samples, reading.items[one.rows], moved, above)
        complete = np.flatnonzero(moved.complete)
        crystals = described(moved.table[complete], self.stages, label=entrant.predictor.name)
        usable = crystals.cells.usable
        verdicts = classify(crystals, training, self.stages, name=entrant.predictor.name)
        items = reading.items[one.rows[complete]]
        write_reasons(
            samples, dict(zip(items[~usable], crystals.cells.reasons[~usable], strict=True))
        )
        write_verdicts(samples, items[usable], crystals, verdicts, training)
        missing = Counter(
            symbol for absent in (above.missing if above else {}).values() for symbol in absent
        )
        seconds = one.seconds + time.perf_counter() - start
        table = _with_moved(reading.table, one.rows, moved)
        sound = without_own_images(samples)
        return Scored(entrant, sound, samples, table, verdicts, dict(missing), seconds)

    def _save(self, one: Scored, folder: Path) -> dict[str, str]:
        name, items = one.entrant.predictor.name, one.entrant.reading.items
        judged = Judged(name, one.samples, items, one.table, self.train)
        if one.entrant.predictor.kind == "model":
            export_classes(judged, folder)
        return save_crystals(judged, folder)

    def _result(
        self,
        one: Scored,
        all_scored: Sequence[Scored],
        hull: References,
        protocol: schema.Protocol,
    ) -> schema.Result:
        start = time.perf_counter()
        settings, seed = self.stages.settings, self.stages.seed
        held_out = next(
            (other for other in all_scored if other.entrant.predictor.kind == "ceiling"), None
        )
        compared = measures.Compared(
            held_out=held_out.under(protocol) if held_out and held_out is not one else None,
            train_prototypes=self.training.prototypes,
            has_energies=settings.has_energies,
            seed=seed,
        )
        found = measures.metrics(one.under(protocol), protocol, compared)
        parts = measures.groups(one.under(protocol), protocol, compared)
        seconds = one.seconds + time.perf_counter() - start
        return schema.Result(
            task="novelty",
            protocol=protocol,
            predictor=one.entrant.predictor,
            dataset=self.dataset,
            headline="sun" if settings.has_energies else "unmatched",
            metrics=found,
            groups=parts,
            definitions=schema.definitions_of(SPECS[protocol], found, parts),
            counts=_counts(one.samples),
            refused=_refused(one.entrant.reading),
            defects=(
                measures.defects(has_energies=settings.has_energies)
                if protocol == "published"
                else ()
            ),
            notes=(
                *self.notes,
                *self.training.notes,
                *hull.notes,
                *predictor_notes(one, found.get("memorisation_ratio")),
            ),
            settings={
                **self.question,
                **({"hull": hull.described} if settings.has_energies else {}),
            },
            provenance=provenance(self.command, seed, seconds),
        )


def _with_moved(table: StructureTable, rows: np.ndarray, moved: Moved) -> StructureTable:
    """The table with the moved rows in their new geometry."""
    positions, cells = table.positions.copy(), table.lattices.copy()
    cells[rows] = moved.table.lattices
    for place, row in enumerate(rows.tolist()):
        positions[table.offsets[row] : table.offsets[row + 1]] = moved.table.row_positions(place)
    return StructureTable(table.ids, table.offsets, table.numbers, positions, cells)


def _counts(samples: Samples) -> schema.Counts:
    reasons = Counter(samples.status.tolist())
    read = reasons.pop(SCORED, 0)
    return schema.Counts(submitted=len(samples), read=read, refused=dict(reasons.most_common()))


def _refused(reading: Reading) -> tuple[schema.RefusedItem, ...]:
    return tuple(
        schema.RefusedItem(id=one.id, source=one.source, reason=one.reason, detail=one.detail)
        for one in reading.refusals
    )


def question_of(
    settings: NoveltySettings, potential: Potential | None, seed: int, entrants: Sequence[Entrant]
) -> Question:
    """Everything that verdicts, floors and lines hang on, beside the data."""
    found: Question = {
        "ltol": settings.tolerances.length,
        "stol": settings.tolerances.site,
        "angle_tol": settings.tolerances.angle,
        "symprec": settings.symprec,
        "top": settings.top,
        "amd_k": sites.NEIGHBOURS,
        "relax": settings.relax,
        "relaxed": settings.relaxed,
        "seed": seed,
    }
    for one in entrants:
        if one.predictor.kind != "model":
            found[f"{one.predictor.name}_crystals"] = one.reading.submitted
    if potential is not None:
        found |= {
            "potential": f"{potential.name} {potential.version}",
            "fmax": settings.fmax,
            "max_steps": settings.max_steps,
            "hull_file": shown_path(settings.hull) if settings.hull else "",
        }
    return found
