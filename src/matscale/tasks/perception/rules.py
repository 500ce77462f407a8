"""What is the perception task's own: metrics, notes, settings and files of answered figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matscale.results import result as schema
from matscale.results.result import Protocol
from matscale.structures.reading import Refusal
from matscale.tasks.harness import Outcome, Rules, Scored, Table
from matscale.tasks.perception import measures
from matscale.tasks.perception.entrants import Rows
from matscale.tasks.perception.pictures import shown, small
from matscale.tasks.perception.rows import table
from matscale.tasks.perception.settings import PerceptionSettings
from matscale.tasks.perception.specs import SPECS


@dataclass(frozen=True)
class Perception(Rules[Rows]):
    """What is the task's own.

    Attributes:
        model: As inspect-ai calls it.
        judge: Likewise; None leaves open figures out.
        kinds: Kinds of figures that each protocol asks about.
        said: What a reader must know.
        options: How figures are asked about.
    """

    model: str
    judge: str | None
    kinds: Mapping[Protocol, frozenset[str]]
    said: tuple[str, ...]
    options: PerceptionSettings

    task = "perception"
    specs = SPECS
    diagnostics = measures.DIAGNOSTICS
    packages = ("inspect-ai", "openai", "pillow")

    def headline(self, protocol: Protocol) -> str:
        """That of the first kind of figure that was asked about."""
        return measures.headline(self.kinds[protocol])

    def metrics(
        self, scored: Scored[Rows], protocol: Protocol, seed: int
    ) -> dict[str, schema.Metric]:
        """Over all figures."""
        return measures.metrics(scored.samples, protocol, seed)

    def groups(
        self, scored: Scored[Rows], protocol: Protocol, seed: int
    ) -> tuple[schema.Group, ...]:
        """By scale and by kind of distractor, among others."""
        return measures.groups(scored.samples, protocol, seed)

    def outcome(self, scored: Scored[Rows], protocol: Protocol) -> Outcome:
        """A figure without a reply is refused, with what the provider said."""
        rows = scored.samples
        warnings = {
            "with a reply that states no answer, which counts as wrong": sum(
                row.unparsable > 0 for row in rows
            ),
            "not answered in some orders, in which they count as wrong": sum(
                0 < row.unanswered < 1 for row in rows
            ),
            "not given a score by the judge every time, left out of its mean": sum(
                any(verdict.reason for verdict in row.judged) for row in rows
            ),
        }
        unanswered = [
            Refusal(place, row.figure.id, row.figure.source, row.reason, row.detail)
            for place, row in enumerate(rows)
            if row.reason
        ]
        return Outcome([row.status for row in rows], unanswered, warnings)

    def notes(
        self, scored: Scored[Rows], protocol: Protocol, metrics: Mapping[str, schema.Metric]
    ) -> tuple[str, ...]:
        """On the figures."""
        return self.said

    def settings(self, protocol: Protocol) -> dict[str, float | int | str | bool]:
        """How figures were asked about."""
        options = self.options
        sound = protocol == "sound"
        return {
            "model": self.model,
            "judge": self.judge or "none",
            "orders": options.orders if sound else 1,
            "judge_repeats": options.repeats if sound else 1,
            "judge_audited": options.audited,
            "retries": options.patience.retries,
            "attempt_s": options.patience.attempt_s,
        }

    def defects(self) -> tuple[str, ...]:
        """Those on the kinds of figures that are asked about."""
        return measures.defects(self.kinds["published"])

    def ceiling(
        self, result: schema.Result, ceilings: Sequence[schema.Result]
    ) -> schema.Result | None:
        """As for all tasks, but a ceiling stands against itself."""
        own = result.predictor.kind == "ceiling"
        return result if own else super().ceiling(result, ceilings)

    def tables(self, scored: Scored[Rows]) -> dict[str, tuple[str, Table]]:
        """The rows, with small pictures of a model's that the page shows."""
        (protocol,) = scored.entrant.kinds
        rows, pictures = scored.samples, {}
        if scored.entrant.predictor.kind == "model":
            drawn = {row.figure.id: small(row.figure) for row in shown(rows)}
            pictures = {name: picture for name, picture in drawn.items() if picture}
        return {"samples": (f"{scored.name}.{protocol}.samples.parquet", table(rows, pictures))}
