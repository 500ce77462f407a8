import csv
import io
import re
from importlib import import_module
from pathlib import Path

import pytest

from matscale.report.headline import headline
from matscale.report.tables import text as tables
from matscale.report.tables.score import (
    breakdown_tables,
    make_columns,
    make_rows,
    score_tables,
    strongest_floor,
)
from matscale.report.wording import told_text
from matscale.results.metric import unknown
from matscale.results.result import Metric, Predictor, Result
from matscale.results.rounding import interval_decimals, show, show_signed
from matscale.tasks.particles.crystal_to_particle import specs as particle_specs
from matscale.tasks.particles.particle_to_crystal import specs as cell_specs
from matscale.tasks.task import TASKS
from report_samples import (
    MODELS,
    write_results,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder) -> list[Result]:
    return write_results(folder, count=24)


def named(results, name, protocol="sound") -> Result:
    return next(r for r in results if r.predictor.name == name and r.protocol == protocol)


def other_task(result: Result, metrics: dict[str, Metric], **changes) -> Result:
    plain = {"groups": (), "samples": None, "predictions": None, "targets": None, "defects": ()}
    return result.model_copy(
        update={"task": "novelty", "headline": next(iter(metrics)), "metrics": metrics}
        | plain
        | changes
    )


# --- rounding ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [
        (0.29, 0.48, 2),  # half width 0.095, read as 0.10
        (29, 48, 0),
        (0.115, 0.152, 3),  # 0.0185: two digits below 35
        (0.43, 0.57, 2),  # 0.07: one digit
        (0, 100, 0),  # digits before the point stay
        (1000, 9000, 0),
        (0.2, 0.2, None),
        (None, 0.3, None),
        (float("nan"), 1, None),
    ],
)
def test_the_interval_decides_the_decimals(low, high, decimals):
    assert interval_decimals(low, high) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (38.095, 0, "38"),
        (-0.634, 2, "−0.63"),
        (-0.001, 2, "0.00"),
        (None, 2, "–"),
        (float("nan"), 2, "–"),
        (0.0000312, 7, "3.12×10⁻⁵"),
        (0.1837465, None, "0.184"),
        (1.0, None, "1"),
        (0.0, None, "0"),
        (1234.5, None, "1234"),
    ],
)
def test_numbers_are_shown_with_those_decimals(value, decimals, text):
    assert show(value, decimals) == text


def test_signed_numbers_carry_their_sign_only_if_it_shows():
    assert [show_signed(x) for x in (0.1, -0.1, 0.001, None)] == ["+0.10", "−0.10", "0.00", "–"]


# --- tables ------------------------------------------------------------------------------


def test_one_table_a_protocol_and_one_a_family(results):
    found = [(table.protocol, table.family) for table in score_tables(results)]
    assert found == [
        ("sound", ""), ("sound", "wasserstein"), ("sound", "histogram_kl"),
        ("published", ""), ("published", "kld"), ("published", "mae"),
    ]  # fmt: skip
    assert all(len(table.rows) == len(MODELS) for table in score_tables(results))
    assert {table.by for table in breakdown_tables(results)} == {
        "crystal system", "number of atoms", "composition seen in training",
    }  # fmt: skip


def rows_of(results, metric: str):
    table = score_tables(results)[0]
    place = [column.name for column in table.columns].index(metric)
    return {row.predictor.name: row.cells[place] for row in table.rows}


def with_value(result: Result, name: str, metric: str, value: float, n: int = 24) -> Result:
    """The same result of a model of another name, told nothing but compositions."""
    changed = result.metrics[metric].model_copy(update={"value": value, "n": n})
    predictor = result.predictor.model_copy(
        update={"name": name, "told": ("composition",), "told_the_answer": False}
    )
    metrics = result.metrics | {metric: changed}
    return result.model_copy(update={"predictor": predictor, "metrics": metrics})


def test_bold_goes_to_the_best_model_where_no_floor_is_better(results):
    others = [one for one in results if one.predictor.kind != "model"]
    mine = named(results, "atomgpt")
    for values, best in (((0.7, 0.8), {"two"}), ((0.3, 0.5), set()), ((0.8, 0.8), {"one", "two"})):
        models = [
            with_value(mine, name, "match_rate", value)
            for name, value in zip(("one", "two"), values, strict=True)
        ]
        cells = rows_of([*models, *others], "match_rate")
        assert {name for name, cell in cells.items() if cell.best} == best
        assert {name for name, cell in cells.items() if cell.strongest} == {"substitution"}


def test_a_mean_over_few_matches_is_never_the_best(results):
    """0.81 over three matches is not worse, 0.05 over sixty not better: nobody knows."""
    mine = named(results, "atomgpt")
    for counts in ((3, 16), (16, 16)):
        models = [
            with_value(mine, name, "rms_angstrom", value, n)
            for name, value, n in zip(("one", "two"), (0.01, 0.05), counts, strict=True)
        ]
        for others in ([], [named(results, "target")]):
            cells = rows_of([*models, *others], "rms_angstrom")
            # Of 24 targets each model matches others, of which only the targets' ids would tell.
            assert not any(cell.best for cell in cells.values())


def test_targets_that_nobody_can_be_scored_on_leave_models_comparable(results):
    mine, ceiling = named(results, "atomgpt"), named(results, "target")
    models = [with_value(mine, name, "length_mae", v, 20) for name, v in (("a", 0.1), ("b", 0.2))]
    top = with_value(ceiling, "target", "length_mae", 0.0, 20)
    cells = rows_of([*models, top], "length_mae")
    assert [name for name, cell in cells.items() if cell.best] == ["a"]


def test_a_model_told_the_answer_is_never_the_best(results):
    cheat, mine = named(results, "cdvae"), named(results, "atomgpt")
    perfect = {"match_rate": cheat.metrics["match_rate"].model_copy(update={"value": 1.0})}
    models = [with_value(mine, name, "match_rate", v) for name, v in (("a", 0.7), ("b", 0.8))]
    cells = rows_of([cheat.model_copy(update={"metrics": perfect}), *models], "match_rate")
    assert [name for name, cell in cells.items() if cell.best] == ["b"]


def test_the_strongest_floor_is_named_wherever_it_was_told_more(results):
    floors = [one for one in results if one.predictor.kind == "floor"]
    mine = named(results, "atomgpt")
    metric = mine.metrics["match_rate"].model_copy(
        update={"floor": 0.02, "floor_name": "random_training", "skill": 0.37}
    )
    blind = mine.model_copy(
        update={
            "metrics": mine.metrics | {"match_rate": metric},
            "predictor": mine.predictor.model_copy(update={"told": ()}),
        }
    )
    said = headline(blind, floors)
    assert "training crystal drawn at random rebuilds 2" in said.text and said.verdict == "above"
    assert "The strongest floor, substitution, told composition, rebuilds 62\u00a0%." in said.text
    table = score_tables([blind, *floors])[0]
    assert strongest_floor(table, 0)[:2] == ("62", "substitution")
    assert "62 ‡" in tables.to_markdown([blind, *floors])
    assert r"62$^\ddagger$" in tables.to_latex([blind, *floors])
    # Alone, its result still names the floor that it is held against.
    assert strongest_floor(score_tables([blind])[0], 0)[1] == "random_training"
    assert "Strongest floors: match rate (%) 2" in tables.to_markdown([blind])


def test_arithmetic_noise_is_shown_as_zero(results):
    noise = Metric(value=1.2e-6, low=8e-7, high=1.5e-6, unit="Å", better="lower", n=24)
    ceiling = named(results, "target")
    ceiling = ceiling.model_copy(update={"metrics": ceiling.metrics | {"rms_angstrom": noise}})
    table = score_tables([named(results, "atomgpt"), ceiling])[0]
    place = [column.name for column in table.columns].index("rms_angstrom")
    assert (table.rows[1].cells[place].value, table.rows[1].cells[place].low) == ("0", "")
    assert "1.2e-06" in tables.to_csv([ceiling])


def test_models_stand_first_and_the_best_of_a_kind_leads(results):
    names = [row.predictor.name for row in score_tables(results[::-1])[0].rows]
    assert names == ["atomgpt", "cdvae", "substitution", "random_training", "mean_cell", "target"]


def test_markdown_shows_intervals_units_and_reasons(results):
    text = tables.to_markdown(results)
    assert "match rate (%) ↑" in text
    assert re.search(r"\| atomgpt \| model \| composition, tc \| 38 \(\d+ to \d+\) ", text)
    assert "– rms: no matched pair." in text
    assert "cdvae †" in text and "target †" not in text
    assert "0.382" not in text.split("published protocol")[0]


def test_markdown_and_latex_escape_names(results):
    evil = results[0].predictor.model_copy(update={"name": "a|b_<i>$x$%\\input{x}"})
    text = tables.to_markdown([results[0].model_copy(update={"predictor": evil})])
    assert r"a\|b\_&lt;i&gt;$x$%\\input{x}" in text
    latex = tables.to_latex([results[0].model_copy(update={"predictor": evil})])
    assert r"a\textbar{}b\_\textless{}i\textgreater{}\$x\$\%\textbackslash{}input\{x\}" in latex


def test_latex_is_balanced_and_uses_booktabs(results):
    text = tables.to_latex(results, breakdowns=True)
    for pair in (("{", "}"), (r"\begin{tabular}", r"\end{tabular}"), (r"\toprule", r"\bottomrule")):
        assert text.count(pair[0]) == text.count(pair[1])
    body = re.search(r"\\midrule\n(atomgpt.*)\\\\", text)
    assert (
        body
        and body[1].count(" & ") == text.split(r"\begin{tabular}{")[1].split("}")[0].count("r") + 2
    )
    assert r"62$^\ddagger$ {\scriptsize(" in text
    assert not set("Å°αβγ↑↓−×") & set(text)


def test_csv_keeps_every_digit_and_field(results):
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(results))))
    assert set(Metric.model_fields) <= rows[0].keys()
    whole = [row for row in rows if row["predictor"] == "atomgpt" and not row["group"]]
    sound = {row["metric"]: row for row in whole if row["protocol"] == "sound"}
    for name, metric in named(results, "atomgpt").metrics.items():
        assert float(sound[name]["value"]) == metric.value
        assert float(sound[name]["low"]) == metric.low
    absent = next(r for r in rows if r["predictor"] == "cdvae" and r["metric"] == "rms_angstrom")
    assert (absent["value"], absent["absent"]) == ("", "no matched pair")
    assert any(row["group_by"] == "crystal system" for row in rows)


# --- words -------------------------------------------------------------------------------


def test_the_headline_says_it_in_plain_words(results):
    text = headline(named(results, "atomgpt"), [named(results, "substitution")]).text
    assert re.fullmatch(
        r"atomgpt rebuilds 38\u00a0% of 24 held-out crystals \(95 % interval \d+ to \d+\)\. A rule "
        r"that copies a training crystal and swaps the elements rebuilds 62\u00a0%: atomgpt .* "
        r"that floor \(skill −0\.63\)\.",
        text,
    )


@pytest.mark.parametrize(
    ("better", "value", "verdict", "says"),
    [
        ("higher", 0.5, "above", "is above that floor"),
        ("higher", 0.1, "below", "is below that floor"),
        ("higher", 0.31, "level", "cannot be told apart"),
        ("lower", 0.1, "above", "does better than that floor"),
        ("lower", 0.5, "below", "does worse than that floor"),
    ],
)
def test_above_and_below_follow_the_direction(results, better, value, verdict, says):
    metric = Metric(
        value=value, low=value - 0.05, high=value + 0.05, better=better, n=9, floor=0.3,
        floor_name="guess",
    )  # fmt: skip
    said = headline(other_task(results[0], {"sharpness": metric}))
    assert said.verdict == verdict
    assert says in said.text and "The floor “guess” reaches" in said.text


def test_a_headline_without_a_value_gives_the_reason(results):
    metric = Metric(value=None, better="lower", n=0)
    said = headline(other_task(results[0], {"rms_angstrom": metric}))
    assert "has no rms" in said.text and "no matched pair" in said.text


def test_what_a_predictor_was_told_is_labelled(results):
    assert "told the answer" in headline(named(results, "cdvae")).labels
    unknown = results[0].predictor.model_copy(update={"told": None})
    said = headline(results[0].model_copy(update={"predictor": unknown}))
    assert said.labels == ("not declared what it was told",)
    assert headline(named(results, "atomgpt")).told == "declared: composition, tc"
    asked = results[0].predictor.model_copy(update={"source": None})
    assert told_text(asked, "reconstruction") == "told composition, tc"


def test_every_metric_of_the_reconstruction_task_has_words(results):
    for result in results:
        assert result.metrics.keys() <= result.definitions.keys()
    assert all(spec.definition for result in results for spec in result.definitions.values())
    assert unknown("some_new_metric", "eV").label == "some new metric"


# --- what is marked best -----------------------------------------------------------------


def entry(name: str, value: float, metric: str = "rmse", n: int = 100, told_the_answer=False):
    """A predictor that answered n of 100 samples, of equal difficulty."""
    scores = {
        metric: Metric(value=value, better="lower", n=n),
        "joint_published": Metric(value=n / 100 / (1 + value), better="higher", n=100),
        "coverage": Metric(value=n / 100, better="higher", n=100),
    }
    predictor = Predictor(name=name, kind="model", told=(), told_the_answer=told_the_answer)
    return predictor, "", None, scores


def marked(entries) -> dict[str, list[str]]:
    specs = {**cell_specs.SPECS["published"], **particle_specs.SPECS["published"]}
    columns = make_columns(list(entries[0][-1]), [one[-1] for one in entries], specs)
    rows = make_rows(columns, entries)
    return {
        column.name: [row.predictor.name for row in rows if row.cells[place].best]
        for place, column in enumerate(columns)
    }


def test_answering_less_is_never_the_best_of_what_leaves_samples_out():
    best = marked([entry("one", 0, n=1), entry("all", 3), entry("worse", 4)])
    assert best == {"rmse": ["all"], "joint_published": ["all"], "coverage": ["all", "worse"]}
    assert marked([entry("half", 1, n=50), entry("other", 2, n=50)])["rmse"] == ["half"]
    assert marked([entry("alone", 1), entry("half", 2, n=50)])["rmse"] == []


def test_told_the_answer_is_never_the_best_and_the_caption_says_so():
    best = marked([entry("input", 0, told_the_answer=True), entry("all", 3), entry("worse", 4)])
    assert best["rmse"] == ["all"]
    assert "not told the answer" in tables._NOTE


def test_no_value_is_best_where_more_is_too_much():
    assert (
        marked([entry("large", 2, "volume_ratio"), entry("small", 1, "volume_ratio")])[
            "volume_ratio"
        ]
        == []
    )


def test_latex_of_every_word_of_ours_is_ascii():
    """What is not ASCII needs packages that the table does not ask for, or prints nothing."""
    every = [
        spec
        for module in TASKS.values()
        for specs in import_module(f"{module}.specs").SPECS.values()
        for spec in specs.values()
    ]
    texts = [
        f"{one.long_label} {one.unit} {one.shown_unit} {one.definition} {one.missing} {one.group}"
        for one in every
    ]
    texts += [one.family.definition for one in every if one.family]
    texts += [tables._NOTE, tables._TOLD_ANSWER, show(-1e-7), "skill −0.3", *tables.ARROW.values()]
    for text in texts:
        assert tables.latex_text(text).isascii(), text
    assert tables.latex_text("Δ hull volume (Å³)") == r"$\Delta$ hull volume (\AA{}$^{3}$)"
