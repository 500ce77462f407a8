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

from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from matscale.report import wording
from matscale.report.cite import bibtex, to_cite
from matscale.report.draw import svg
from matscale.report.names import breakable, slug
from matscale.report.sections import Section, make_section
from matscale.report.tables import text as tables
from matscale.report.tables.grid import shown
from matscale.report.tables.score import column_groups, specs_of
from matscale.results.result import Result
from matscale.runtime.errors import UserError
from matscale.runtime.files import replaced

STYLES = ("base.css", "score.css", "figures.css")
SCRIPTS = ("page.js", "table.js")


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
    every = _without_repeats(results)
    sections = [
        make_section(f"s{k}", part, folder_of_results, every)
        for k, part in enumerate(tables.by_dataset(every).values())
    ]
    for section, stem in zip(sections, _stems(sections), strict=True):
        _write_tables(section, out / "tables", stem)
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
    scripts = "\n".join(map(_asset, _files(sections, SCRIPTS, "js")))
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
            style=Markup("\n".join(map(_asset, _files(sections, STYLES, "css")))),
            script=Markup(scripts),
            script_hash=_csp_hash(scripts),
            wording=wording,
            cited=to_cite(results),
            bibtex=bibtex(results),
            metrics=_definitions(sections),
        )
    )


def _files(sections: Sequence[Section], own: Sequence[str], kind: str) -> list[str]:
    """Styles or scripts: those of every page, then those of the blocks that this one shows."""
    blocks = [block for section in sections for block, _ in section.blocks]
    every = [f"matscale.report:assets/{name}" for name in own]
    return list(dict.fromkeys([*every, *(name for one in blocks for name in getattr(one, kind))]))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("matscale.report", "templates"), FunctionLoader(_template)]
        ),
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
        breakable=breakable,
        grouped=column_groups,
        glued=lambda text: re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text),
    )
    environment.globals.update(copies=_copies)
    return environment


@cache
def _asset(name: str) -> str:
    """The text of a file that is named ``package:file``."""
    package, _, path = name.partition(":")
    return resources.files(package).joinpath(path).read_text("utf-8")


def _template(name: str) -> str | None:
    return _asset(name) if ":" in name else None


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
    found: dict[tuple[str, str, str], None] = {}
    for section in sections:
        specs = specs_of(section.results)
        names = dict.fromkeys(name for result in section.results for name in result.metrics)
        for spec in (specs[name] for name in names if name in specs):
            if spec.family:
                found[spec.family.label, "", spec.family.definition] = None
            else:
                unit = "%" if spec.percent else spec.shown_unit or spec.unit
                found[spec.label, unit, spec.definition] = None
    return [entry for entry in found if entry[2]]


# --- files beside the page ---------------------------------------------------------------


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
    for _, made in section.blocks:
        for name, text in made.tables.items():
            _write(folder / f"{stem}-{name}", text)


def _write_figures(section: Section, folder: Path, stem: str) -> None:
    for name, drawing in _drawings(section).items():
        _write(folder / f"{stem}-{name}.svg", svg.standalone(drawing))


def _drawings(section: Section) -> dict[str, str]:
    """All figures of a section by name, each with the key that the page has beside it."""
    series = {name: f"st {colour}" for name, colour in section.series.items()}
    opening = section.opening
    found = {opening.file: opening.drawing} if opening and opening.file else {}
    key = [(name, series[name]) for name in section.drawn]
    found |= {f"by-{slug(one.by)}": svg.keyed(one.chart, key) for one in section.breakdowns}
    for _, made in section.blocks:
        found |= made.drawings
    return found
