"""``matscale table`` and ``matscale cite``: what goes from results into a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from matscale.cli.scoring import ProtocolChoice
from matscale.report.tables.choices import Format, Interval
from matscale.runtime.errors import UserError

Results = Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")]
Out = Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")]

_ENDINGS = {".md": Format.markdown, ".csv": Format.csv}


def table(
    results: Results,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics to show, in order, such as 'match_rate,rms_angstrom'.",
            show_default="the first six, or as many as fit a page",
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models to show, such as 'mine,theirs'.", show_default="all"),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Format of the table.", show_default="by --out's ending, else latex"
        ),
    ] = None,
    interval: Annotated[
        Interval, typer.Option(help="How to write 95 % intervals.")
    ] = Interval.plus_minus,
    protocol: Annotated[
        ProtocolChoice | None,
        typer.Option(help="Protocol of the results.", show_default="sound, where there is one"),
    ] = None,
    out: Out = None,
) -> None:
    """Make one table for a paper: models, floors and ceiling, no wider than a page."""
    from matscale.api import load_results
    from matscale.report.tables.paper import on_a_page, paper_table
    from matscale.report.tables.paper_formats import render

    form = form or _ENDINGS.get(out.suffix.lower() if out else "", Format.latex)
    if protocol is ProtocolChoice.both:
        raise UserError("--protocol both: a table is of one protocol; give sound or published")
    one: Literal["sound", "published"] | None = None
    if protocol is not None:
        one = "sound" if protocol is ProtocolChoice.sound else "published"
    found = paper_table(
        load_results(*results).results,
        metrics=_names(metrics),
        models=_names(models),
        protocol=one,
        interval=interval,
    )
    if form is Format.latex:
        found = on_a_page(found, as_named=bool(_names(metrics)))
    _deliver(render(found, form), out)


def _names(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _deliver(text: str, out: Path | None) -> None:
    from matscale.cli.options import check_writable
    from matscale.runtime.files import replaced

    if out is None:
        print(text, end="")
        return
    check_writable(out)
    with replaced(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(out)


def cite(results: Results, out: Out = None) -> None:
    """Print BibTeX of what to cite: matscale, the benchmark, the datasets, the methods."""
    from matscale.api import load_results
    from matscale.report.cite import bibtex

    _deliver(bibtex(load_results(*results).results), out)
