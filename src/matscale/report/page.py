"""Results to one HTML page that opens offline, with tables and figures as files beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from matscale.report import metric_wording, svg, tables, wording
from matscale.report.cite import bibtex, to_cite
from matscale.report.crystal_view import elements
from matscale.report.novelty import Novelty
from matscale.report.particle_splits import memory
from matscale.report.particle_tables import grid_to_csv, grid_to_latex, shown
from matscale.report.particle_view import cloud_data
from matscale.report.particle_wording import reason_text
from matscale.report.particles import Particles
from matscale.report.sections import Section, make_section
from matscale.results.paths import without_paths
from matscale.results.result import Result
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced

STYLES = ("base.css", "score.css", "figures.css", "novelty.css", "perception.css", "particles.css")
SCRIPTS = ("page.js", "table.js", "turning.js", "viewer.js", "particles.js")


def write_report(results: Sequence[Result], folder_of_results: Path | None, out: Path) -> Path:
    """Write ``index.html``, ``tables/`` and ``figures/`` into a folder.

    Args:
        results: At least one result; those of different tasks or datasets get their own sections.
        folder_of_results: Where the files are that the results name (samples, structures); None
            where there is no such folder, and plots and cases are left out.
        out: Folder to write to; made if absent, files of the same names are replaced.

    Returns:
        The path of the page.

    Raises:
        UserError: If there are no results.
    """
    if not results:
        raise UserError("there are no results to report; score something first")
    parts = tables.by_dataset(_without_repeats(results))
    sections = [
        make_section(f"s{k}", part, folder_of_results) for k, part in enumerate(parts.values())
    ]
    for section, stem in zip(sections, _stems(sections), strict=True):
        _write_tables(section, out / "tables", stem)
        both = memory(section.results, [one for part in sections for one in part.results])
        if both is not None:
            _write(out / "tables" / f"{stem}-splits.csv", grid_to_csv(both))
            _write(out / "tables" / f"{stem}-splits.tex", grid_to_latex(both))
        _write_figures(section, out / "figures", stem)
    page = out / "index.html"
    _write(page, render(sections))
    return page


def _without_repeats(results: Sequence[Result]) -> list[Result]:
    """Results of several runs on one dataset with the floors that are the same in all, once."""
    seen: dict[str, Result] = {}
    for result in results:
        content = result.model_dump_json(
            include={"task", "protocol", "predictor", "dataset", "metrics", "counts"}
        )
        seen.setdefault(content, result)
    return list(seen.values())


def render(sections: Sequence[Section]) -> str:
    """The page as text."""
    scripts = "\n".join(_asset(name) for name in SCRIPTS)
    results = [result for section in sections for result in section.results]
    names = {result.task for result in results}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            question=wording.question_of(names),
            sections=sections,
            results=results,
            created=max(result.provenance.created for result in results),
            versions=sorted({result.provenance.matscale for result in results}),
            style=Markup("\n".join(_asset(name) for name in STYLES)),
            script=Markup(scripts),
            script_hash=_csp_hash(scripts),
            wording=wording,
            cited=to_cite(results),
            bibtex=bibtex(results),
            metrics=_definitions(sections),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("matscale.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        svg=Markup,
        data=embedded_json,
        slug=slug,
        thousands=lambda count: f"{count:,}",
        grid_value=shown,
        reason=reason_text,
        without_paths=without_paths,
        glued=lambda text: re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text),
    )
    environment.globals.update(
        case_data=_case_data, cloud_data=cloud_data, copies=_copies, memory=memory
    )
    return environment


@cache
def _asset(name: str) -> str:
    return resources.files("matscale.report").joinpath("assets", name).read_text("utf-8")


def _csp_hash(script: str) -> str:
    """Source expression that lets exactly this inline script run, whatever else gets in."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def embedded_json(value: Any) -> Markup:
    """JSON for a ``<script type="application/json">``: no text can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    unsafe = {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
    for character, code in unsafe.items():
        text = text.replace(character, code)
    return Markup(text)


def _case_data(section: Section) -> dict[str, Any]:
    """Cases of all models of a section with the elements that they contain."""
    models = {one.name: list(one.cases) for one in section.cases if one.cases}
    pairs = [case for cases in models.values() for case in cases]
    views = [case[side] for case in pairs for side in ("target", "predicted")]
    return {"models": models, "elements": elements(views)}


def _copies(section: Section, protocol: str) -> dict[str, str]:
    """The score tables of a protocol as text to copy."""
    results = [result for result in section.results if result.protocol == protocol]
    return {
        "Markdown": tables.to_markdown(results),
        "LaTeX": tables.to_latex(results),
        "CSV": tables.to_csv([result.model_copy(update={"groups": ()}) for result in results]),
    }


def _definitions(sections: Sequence[Section]) -> list[tuple[str, str, str]]:
    """Label, unit and definition of every metric on the page; a family of metrics once."""
    names = dict.fromkeys(
        name for section in sections for result in section.results for name in result.metrics
    )
    found: dict[str, tuple[str, str, str]] = {}
    for name in names:
        family = metric_wording.family_of(name)
        text = metric_wording.metric_text(name)
        if family is not None:
            definition = metric_wording.family_definition(family[0])
            found.setdefault(family[0], (metric_wording.family_label(family[0]), "", definition))
        else:
            found[name] = (text.label, text.unit, text.definition)
    return [entry for entry in found.values() if entry[2]]


# --- files beside the page ---------------------------------------------------------------


def slug(text: str) -> str:
    """A file name or anchor from any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "x"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _stems(sections: Sequence[Section]) -> list[str]:
    """Start of the file names of each section: task and dataset, numbered where they repeat."""
    stems = [slug(f"{one.results[0].task}-{one.title}") for one in sections]
    return [stem if stems.count(stem) == 1 else f"{stem}-{k + 1}" for k, stem in enumerate(stems)]


def _write_tables(section: Section, folder: Path, stem: str) -> None:
    for protocol in section.tables:
        results = [result for result in section.results if result.protocol == protocol]
        _write(folder / f"{stem}-{protocol}.md", tables.to_markdown(results, breakdowns=True))
        _write(folder / f"{stem}-{protocol}.tex", tables.to_latex(results, breakdowns=True))
        _write(folder / f"{stem}-{protocol}.csv", tables.to_csv(results))
    for name, text in (section.particles.files if section.particles else {}).items():
        _write(folder / f"{stem}-{name}", text)


def _write_figures(section: Section, folder: Path, stem: str) -> None:
    for name, drawing in _drawings(section).items():
        _write(folder / f"{stem}-{name}.svg", svg.standalone(drawing))


def _drawings(section: Section) -> dict[str, str]:
    """All figures of a section by name, each with the key that the page has beside it."""
    series = {name: f"st {colour}" for name, colour in section.series.items()}
    found = {"ladder": section.ladder} if section.ladder else {}
    key = [(name, series[name]) for name in section.drawn]
    found |= {f"by-{slug(one.by)}": svg.keyed(one.chart, key) for one in section.breakdowns}
    if section.curves:
        key = [(one.name, series[one.name]) for one in section.lattice]
        found["errors-all"] = svg.keyed(svg.grid(list(section.curves), 3, "errors"), key)
    for one in section.lattice:
        key = [(f"{one.name}, matched", series[one.name]), ("not matched", "no")]
        parity = svg.grid(list(one.parity), 3, f"{one.name}: prediction against target")
        found[f"parity-{slug(one.name)}"] = svg.keyed(parity, key)
        errors = svg.grid(list(one.errors), 3, f"{one.name}: errors")
        found[f"errors-{slug(one.name)}"] = svg.keyed(errors, [(one.name, series[one.name])])
    found |= _novelty_drawings(section.novelty, series) if section.novelty else {}
    return found | (_particle_drawings(section.particles) if section.particles else {})


def _novelty_drawings(novelty: Novelty, series: dict[str, str]) -> dict[str, str]:
    key = [(name, f"st {colour}") for name, colour in novelty.classes]
    found = {"classes": svg.keyed(novelty.overall, key)}
    for one in novelty.generated:
        found[f"classes-{slug(one.name)}"] = svg.keyed(one.by_system, key)
        if one.swaps:
            found[f"swapped-out-{slug(one.name)}"] = one.swaps.out
            found[f"swapped-in-{slug(one.name)}"] = one.swaps.into
    lines = [(name, series[name]) for name in novelty.drawn]
    for k, curve in enumerate(novelty.curves, start=1):
        found[f"novelty-curve-{k}"] = svg.keyed(curve, lines)
    return found


def _particle_drawings(particles: Particles) -> dict[str, str]:
    key = [(name, f"st {colour}") for name, _, colour, _ in particles.lines]
    return {slug(name): svg.keyed(one, key) for name, one in particles.drawings.items()}
