"""What is the novelty task's own: metrics, notes, settings and files of judged crystals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matscale.energy.potential import Potential
from matscale.metrics import sites
from matscale.results import result as schema
from matscale.results.paths import shown_path
from matscale.results.result import Protocol
from matscale.structures.reading import Reading
from matscale.structures.table import StructureTable
from matscale.tasks.entrant import Entrant
from matscale.tasks.harness import Outcome, Rules, Scored, Table
from matscale.tasks.novelty import measures
from matscale.tasks.novelty.export import bare, export_classes
from matscale.tasks.novelty.judging import GeneratedScores
from matscale.tasks.novelty.notes import predictor_notes
from matscale.tasks.novelty.samples import named_training, samples_table
from matscale.tasks.novelty.settings import NoveltySettings
from matscale.tasks.novelty.specs import SPECS
from matscale.tasks.novelty.stages import References
from matscale.tasks.novelty.training import Described


@dataclass(frozen=True)
class Novelty(Rules[GeneratedScores]):
    """What is the task's own.

    Attributes:
        options: How crystals are compared.
        written: Everything that verdicts hang on, as results have it; see :func:`settings_of`.
        train: Training crystals as given.
        training: The same, described.
        hull: What stability is held against.
        held_out: The reference line, if there is one.
        said: What a reader must know of the data and the options.
    """

    options: NoveltySettings
    written: dict[str, float | int | str | bool]
    train: StructureTable
    training: Described
    hull: References
    held_out: Scored[GeneratedScores] | None
    said: tuple[str, ...]

    task = "novelty"
    specs = SPECS

    def headline(self, protocol: Protocol) -> str:
        """Stable, unique and novel crystals; without energies unmatched ones."""
        return "sun" if self.options.has_energies else "unmatched"

    def metrics(
        self, scored: Scored[GeneratedScores], protocol: Protocol, seed: int
    ) -> dict[str, schema.Metric]:
        """Over the crystals that a protocol looks at."""
        compared = self._compared(scored, protocol, seed)
        return measures.metrics(scored.samples.under(protocol), protocol, compared)

    def groups(
        self, scored: Scored[GeneratedScores], protocol: Protocol, seed: int
    ) -> tuple[schema.Group, ...]:
        """Classes by crystal system, and the novelty curve."""
        compared = self._compared(scored, protocol, seed)
        return measures.groups(scored.samples.under(protocol), protocol, compared)

    def _compared(
        self, scored: Scored[GeneratedScores], protocol: Protocol, seed: int
    ) -> measures.Compared:
        others = self.held_out if self.held_out is not scored else None
        return measures.Compared(
            held_out=others.samples.under(protocol) if others else None,
            train_prototypes=self.training.prototypes,
            has_energies=self.options.has_energies,
            seed=seed,
        )

    def outcome(self, scored: Scored[GeneratedScores], protocol: Protocol) -> Outcome:
        """Of each submitted item; none was asked for."""
        statuses = scored.samples.sound.status.tolist()
        return Outcome(statuses, scored.entrant.answer.refusals, asked=False)

    def notes(
        self,
        scored: Scored[GeneratedScores],
        protocol: Protocol,
        metrics: Mapping[str, schema.Metric],
    ) -> tuple[str, ...]:
        """On the data, the hull, and the predictor's crystals."""
        own = predictor_notes(scored, metrics.get("memorisation_ratio"))
        return (*self.said, *self.training.notes, *self.hull.notes, *own)

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """Everything that verdicts hang on, and what the hull is made of."""
        hull = {"hull": self.hull.described} if self.options.has_energies else {}
        return {**self.written, **hull}

    def defects(self) -> tuple[str, ...]:
        """Those of energies among them, where there are some."""
        return measures.defects(has_energies=self.options.has_energies)

    def tables(self, scored: Scored[GeneratedScores]) -> dict[str, tuple[str, Table]]:
        """Verdicts, the crystals, and the training crystals that verdicts name."""
        name, scores = scored.name, scored.samples
        samples = samples_table(scores.sound, self.train, scored.entrant.answer.items)
        matched = self.train[named_training(scores.sound)]
        return {
            "samples": (f"{name}.samples.parquet", samples),
            "predictions": (f"{name}.generated.parquet", bare(scores.table)),
            "targets": (f"{name}.matched_train.parquet", bare(matched)),
        }

    def export(self, scored: Scored[GeneratedScores], folder: Path) -> None:
        """A model's crystals of each class."""
        if scored.entrant.predictor.kind == "model":
            _, samples = self.tables(scored)["samples"]
            items = scored.entrant.answer.items
            classes = scored.samples.sound.classes
            export_classes(scored.name, samples, classes, items, scored.samples.table, folder)


def settings_of(
    options: NoveltySettings,
    potential: Potential | None,
    seed: int,
    baselines: Sequence[Entrant[Reading]],
) -> dict[str, float | int | str | bool]:
    """Everything that verdicts, floors and lines hang on, beside the data."""
    settings: dict[str, float | int | str | bool] = {
        "ltol": options.tolerances.length,
        "stol": options.tolerances.site,
        "angle_tol": options.tolerances.angle,
        "symprec": options.symprec,
        "top": options.top,
        "amd_k": sites.NEIGHBOURS,
        "relax": options.relax,
        "relaxed": options.relaxed,
        "seed": seed,
    }
    for entrant in baselines:
        settings[f"{entrant.predictor.name}_crystals"] = entrant.answer.submitted
    if potential is not None:
        settings |= {
            "potential": f"{potential.name} {potential.version}",
            "fmax": options.fmax,
            "max_steps": options.max_steps,
            "hull_file": shown_path(options.hull) if options.hull else "",
        }
    return settings
