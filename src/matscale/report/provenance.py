"""How results were made: what all of a section share, once, and what is each one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matscale.report.wording import told_text
from matscale.results.paths import without_paths
from matscale.results.result import Result

Facts = dict[str, str]
"""What, and its value, in the order of the page."""


@dataclass(frozen=True)
class Own:
    """What is one predictor's own, by protocol; protocols that agree share an entry."""

    name: str
    facts: tuple[tuple[str, Facts], ...]


@dataclass(frozen=True)
class Shared:
    """How the results of a section were made.

    Attributes:
        facts: The same in all results.
        own: The others by predictor.
    """

    facts: Facts
    own: tuple[Own, ...]


def shared_facts(results: Sequence[Result]) -> Shared:
    """Facts of several results, those that all share apart from each one's own."""
    every = [_facts(result) for result in results]
    shared = {
        what: value
        for what, value in every[0].items()
        if all(one.get(what) == value for one in every)
    }
    own: dict[str, list[tuple[str, Facts]]] = {}
    for result, facts in zip(results, every, strict=True):
        rest = {what: value for what, value in facts.items() if what not in shared}
        own.setdefault(result.predictor.name, []).append((result.protocol, rest))
    return Shared(shared, tuple(Own(name, _merged(parts)) for name, parts in own.items()))


def _merged(parts: Sequence[tuple[str, Facts]]) -> tuple[tuple[str, Facts], ...]:
    """The facts under each protocol; what is the same under all of them once, first."""
    same = {
        what: value
        for what, value in parts[0][1].items()
        if len(parts) > 1 and all(facts.get(what) == value for _, facts in parts)
    }
    rest = [(name, {w: v for w, v in facts.items() if w not in same}) for name, facts in parts]
    named = [(f"{name} protocol", facts) for name, facts in rest if facts]
    return (("", same), *named) if same else tuple(named)


def _facts(result: Result) -> Facts:
    """All that a result says of how it was made."""
    made = result.provenance
    packages = ", ".join(f"{name} {version}" for name, version in made.packages.items())
    found = {"command": made.command}
    if result.predictor.source:
        found["scored file"] = result.predictor.source
    found["told"] = told_text(result.predictor, result.task)
    found |= {name: without_paths(str(value)) for name, value in result.settings.items()}
    return found | {
        "matscale": made.matscale,
        "packages": packages or "not recorded",
        "seed": str(made.seed),
        "wall time": f"{made.seconds:.3g} s",
        "machine": made.machine,
        "made": made.created,
    }
