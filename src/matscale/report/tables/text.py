"""Score tables as Markdown, LaTeX (booktabs) and CSV.

Markdown and LaTeX show no more digits than an interval supports; CSV keeps every digit.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from matscale.report.tables.cells import Cell, Column, Row
from matscale.report.tables.score import ScoreTable, breakdown_tables, score_tables, strongest_floor
from matscale.report.wording import text_of, told_fields
from matscale.results.result import Metric, Result

ARROW = {"higher": "↑", "lower": "↓"}
"""Which way a metric is better."""
_NOTE = (
    "Value with its 95 % bootstrap interval. Bold is the best of the models, where these are over "
    "the same samples, were not told the answer, and no floor is better. ‡ is the strongest floor. "
    "↑ higher is better, ↓ lower is better."
)
_TOLD_ANSWER = "told the answer: it saw positions or cell of the target, and is not compared."

CSV_LEAD = (
    "task", "dataset", "split", "protocol", "predictor", "kind", "told", "told_the_answer",
    "group_by", "group", "metric",
)  # fmt: skip


def by_dataset(results: Iterable[Result]) -> dict[tuple[str, ...], list[Result]]:
    """Results in lists that ask the same question of the same targets, in order of appearance."""
    parts: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        data = result.dataset
        parts.setdefault((result.task, data.name, data.split or "", data.sha256), []).append(result)
    return parts


def to_markdown(results: Sequence[Result], breakdowns: bool = False) -> str:
    """Every score table of the results as GitHub Markdown.

    Args:
        results: Any results; those of different datasets come under their own headings.
        breakdowns: Whether to add the tables by group.
    """
    parts = []
    for part in by_dataset(results).values():
        parts.append(f"## {markdown_text(describe_dataset(part[0]))}")
        tables = score_tables(part) + (breakdown_tables(part) if breakdowns else [])
        parts += [markdown_table(table) for table in tables]
    return "\n\n".join([*parts, _NOTE]) + "\n"


def to_latex(results: Sequence[Result], breakdowns: bool = False) -> str:
    r"""Every score table of the results as LaTeX; needs ``\usepackage{booktabs}``."""
    parts = [r"% needs \usepackage{booktabs,textcomp}; wide tables fit a landscape page"]
    for part in by_dataset(results).values():
        tables = score_tables(part) + (breakdown_tables(part) if breakdowns else [])
        parts += [latex_table(table, describe_dataset(part[0])) for table in tables]
    return "\n\n".join(parts) + "\n"


def describe_dataset(result: Result) -> str:
    """Task, dataset, split and size in one line."""
    data = result.dataset
    split = f", {data.split}" if data.split else ""
    return f"{result.task}: {data.name}{split}, {data.size} {text_of(result.task).members}"


# --- Markdown ----------------------------------------------------------------------------


def markdown_table(table: ScoreTable) -> str:
    """One table with a heading."""
    head = [*_lead_names(table), *(f"{c.heading} {ARROW[c.better]}" for c in table.columns)]
    rule = ["---"] * len(_lead_names(table)) + ["---:"] * len(table.columns)
    lines = [f"### {markdown_text(table.title)} ({table.protocol} protocol)", ""]
    lines += [markdown_row(map(markdown_text, head)), markdown_row(rule)]
    for row in table.rows:
        cells = [markdown_text(text) for text in _lead(table, row)]
        lines.append(markdown_row(cells + [_markdown_cell(cell) for cell in row.cells]))
    notes = _notes(table)
    return "\n".join([*lines, "", *(markdown_text(note) for note in notes)]).rstrip()


def _lead_names(table: ScoreTable) -> list[str]:
    return ["predictor", table.by, "n"] if table.by else ["predictor", "kind", "told"]


def _lead(table: ScoreTable, row: Row) -> list[str]:
    predictor = row.predictor
    name = f"{predictor.name} †" if _marked(row) else predictor.name
    if table.by:
        return [name, row.group, str(row.n)]
    return [name, predictor.kind, told_fields(predictor.told)]


def _marked(row: Row) -> bool:
    return row.predictor.told_the_answer and row.predictor.kind == "model"


def _notes(table: ScoreTable) -> list[str]:
    """Footnotes: why values are missing, and who was told the answer."""
    notes: dict[str, None] = {}
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.absent:
                notes[f"– {column.label}: {cell.absent}."] = None
    if not table.by and not any(row.predictor.kind == "floor" for row in table.rows):
        floors = [
            f"{column.heading} {floor.value} ({floor.name})"
            for place, column in enumerate(table.columns)
            if (floor := strongest_floor(table, place))
        ]
        notes |= {f"Strongest floors: {'; '.join(floors)}.": None} if floors else {}
    if any(_marked(row) for row in table.rows):
        notes[f"† {_TOLD_ANSWER}"] = None
    return list(notes)


def markdown_row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    value = f"{value} ‡" if cell.strongest else value
    return f"{value} ({cell.low} to {cell.high})" if cell.low else value


def markdown_text(text: str) -> str:
    """Any text as Markdown that shows it."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"([\\`*_\[\]|])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- LaTeX -------------------------------------------------------------------------------

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "Å": r"\AA{}", "°": r"$^\circ$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "\N{MINUS SIGN}": "$-$", "–": "--", "×": r"$\times$",
    "†": r"$^\dagger$", "‡": r"$^\ddagger$", "“": "``", "”": "''", "≤": r"$\le$",
    "∛": r"$\sqrt[3]{}$", "Δ": r"$\Delta$", "…": r"\dots{}",
}  # fmt: skip
_LATEX |= {
    "δ": r"$\delta$", "ε": r"$\epsilon$", "ζ": r"$\zeta$", "η": r"$\eta$", "θ": r"$\theta$",
    "ι": r"$\iota$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$", "ν": r"$\nu$",
    "ξ": r"$\xi$", "π": r"$\pi$", "ρ": r"$\rho$", "ς": r"$\varsigma$", "σ": r"$\sigma$",
    "τ": r"$\tau$", "υ": r"$\upsilon$", "φ": r"$\varphi$", "χ": r"$\chi$", "ψ": r"$\psi$",
    "ω": r"$\omega$", "Γ": r"$\Gamma$", "Θ": r"$\Theta$", "Λ": r"$\Lambda$", "Ξ": r"$\Xi$",
    "Π": r"$\Pi$", "Σ": r"$\Sigma$", "Φ": r"$\Phi$", "Ψ": r"$\Psi$", "Ω": r"$\Omega$",
    "µ": r"$\mu$", "±": r"$\pm$", "≥": r"$\ge$", "·": r"$\cdot$", "→": r"$\to$",
}  # fmt: skip
_SUPERSCRIPTS = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def latex_text(text: str) -> str:
    """Any text as LaTeX that prints it and runs no command."""
    text = re.sub(r"\s+", " ", text)
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return _SUPERSCRIPTS.sub(lambda found: f"$^{{{found[0].translate(_PLAIN)}}}$", escaped)


def latex_table(table: ScoreTable, caption: str) -> str:
    """One floating table with booktabs rules."""
    lead = _lead_names(table)
    head = [*map(latex_text, lead), *(_latex_head(column) for column in table.columns)]
    kinds = [row.predictor.kind for row in table.rows]
    body = []
    for index, row in enumerate(table.rows):
        if index and not table.by and kinds[index] != kinds[index - 1]:
            body.append(r"\midrule")
        cells = [*map(latex_text, _lead(table, row)), *(_latex_cell(cell) for cell in row.cells)]
        body.append(" & ".join(cells) + r" \\")
    notes = [_NOTE, *_notes(table)]
    title = f"{table.title} ({table.protocol} protocol). {caption}. {' '.join(notes)}"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{latex_text(title)}}}",
            rf"\begin{{tabular}}{{{'l' * len(lead)}{'r' * len(table.columns)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_head(column: Column) -> str:
    return latex_text(f"{column.heading} {ARROW[column.better]}")


def _latex_cell(cell: Cell) -> str:
    value = latex_text(cell.value)
    value = rf"\textbf{{{value}}}" if cell.best else value
    value = f"{value}{latex_text('‡')}" if cell.strongest else value
    interval = rf" {{\scriptsize({latex_text(cell.low)} to {latex_text(cell.high)})}}"
    return value + interval if cell.low else value


# --- CSV ---------------------------------------------------------------------------------


def to_csv(results: Sequence[Result]) -> str:
    """Every metric of every result and group, one per line, with all digits.

    The columns are those of ``CSV_LEAD`` and every field of ``Metric``; a field that is None is
    empty, and a metric without a value carries the reason in ``absent``.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = list(Metric.model_fields)
    writer.writerow([*CSV_LEAD, *fields, "absent"])
    for result in results:
        for by, group, metrics in _parts(result):
            for name, metric in metrics.items():
                values = [_csv_value(getattr(metric, field)) for field in fields]
                absent = result.spec(name).missing if metric.value is None else ""
                writer.writerow([*_csv_lead(result, by, group, name), *values, absent])
    return out.getvalue()


def _parts(result: Result) -> Iterator[tuple[str, str, dict[str, Metric]]]:
    yield "", "", result.metrics
    for group in result.groups:
        yield group.by, group.group, group.metrics


def _csv_lead(result: Result, by: str, group: str, metric: str) -> list[str]:
    predictor = result.predictor
    told = "" if predictor.told is None else " ".join(predictor.told)
    answer = str(predictor.told_the_answer).lower()
    data = result.dataset
    return [
        result.task, data.name, data.split or "", result.protocol, predictor.name, predictor.kind,
        told, answer, by, group, metric,
    ]  # fmt: skip


def _csv_value(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)
