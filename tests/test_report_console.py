"""The terminal: six metrics at most, 80 columns, floors by name, the headline once more."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

import novelty_samples
import particle_report_samples as particle_samples
from matscale.report.console import MOST_METRICS, print_last, print_scores
from matscale.report.tables.plain import table_lines
from matscale.report.tables.score import score_tables
from matscale.results.result import Metric, Result
from report_samples import write_results

LONG = "diffcsp_trained_on_mp20_with_space_group_conditioning_seed_{}"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[Result]:
    return write_results(tmp_path_factory.mktemp("results"), count=24)


def printed(results, width: int = 80, **options) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_scores(results, console, **options)
    print_last(results, console)
    return console.file.getvalue().splitlines()


def models(results, count: int, name: str = "model_{}", told=None) -> list[Result]:
    """So many models, told unlike things, beside the floors and the ceiling."""
    mine = [one for one in results if one.predictor.name == "atomgpt"]
    found = []
    for k in range(count):
        for one in mine:
            changes = {"name": name.format(k), "told": told or ("composition", "tc")}
            predictor = one.predictor.model_copy(update=changes)
            found.append(one.model_copy(update={"predictor": predictor}))
    return [*found, *(one for one in results if one.predictor.kind != "model")]


@pytest.mark.parametrize("name", ["m{}", "atomgpt_{}", LONG, "模型" * 30 + "{}"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("everything", [False, True])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(
    results, name, count, everything
):
    given = models(results, count, name)
    lines = printed(given, everything=everything)
    assert max(map(cell_len, lines)) <= 80
    text = "\n".join(lines)
    for table in score_tables(given)[: 1 if not everything else None]:
        if table.family and table.protocol == "sound":
            continue
        for row in table.rows:
            if row.predictor.kind != "model":
                continue
            for cell in row.cells[:MOST_METRICS]:
                interval = f"({cell.low}–{cell.high})" if cell.low else cell.value
                assert re.search(rf"(?m)(^| ){re.escape(interval)}( |$)", text), interval
    # Long names keep the ends by which they differ.
    assert len({line for line in lines if line.startswith("  ") and "seed_" in line}) >= (
        count if name == LONG and count > 1 else 0
    )


def test_six_metrics_at_most_and_the_rest_when_asked(results):
    arrows = re.compile(r"^\S.* [↑↓](  |$)")
    few = [line for line in printed(results) if arrows.match(line)]
    assert 0 < len(few) <= MOST_METRICS and few[0].startswith("match rate (%) ↑")
    assert not any("published protocol (" in line for line in printed(results))
    assert any(line.endswith("more metrics, some under the published protocol: --all")
               for line in printed(results))  # fmt: skip
    every = printed(results, everything=True)
    sound = next(one for one in score_tables(results) if one.protocol == "sound")
    assert all(any(column.heading in line for line in every) for column in sound.columns)
    assert any("published protocol (" in line for line in every)
    assert not any(line.endswith("--all") for line in every)


def test_the_last_line_is_the_headline_with_the_strongest_floor(results):
    last = printed(results)[-1]
    assert last == "match rate: atomgpt 38 %, cdvae 0.0 %; strongest floor substitution 62 %"


def test_floors_are_named_and_a_weaker_one_is_said_beside_the_strongest(results):
    given = models(results, 1)
    metric = (
        given[0]
        .metrics["match_rate"]
        .model_copy(update={"floor": 0.02, "floor_name": "random_training"})
    )
    blind = given[0].model_copy(update={"metrics": given[0].metrics | {"match_rate": metric}})
    lines = printed([blind, *given[2:]], width=120)
    assert any(re.search(r"62 substitution\b", line) for line in lines)
    assert any(re.search(r"\b2 random_training \(model_0\)", line) for line in lines)
    narrow = " ".join(printed([blind, *given[2:]], width=80))
    assert "substitution" in narrow and "random_training (model_0)" in narrow


@pytest.mark.parametrize("task", [particle_samples.FORWARD, particle_samples.BACK, "novelty"])
@pytest.mark.parametrize("everything", [False, True])
def test_other_tasks_fit_too(tmp_path, task, everything):
    if task == "novelty":
        made = novelty_samples.write_results(tmp_path, 40, energies=False)
    else:
        made = particle_samples.write_results(tmp_path, task, largest=8.0)
    lines = printed(made, everything=everything)
    assert max(map(cell_len, lines)) <= 80
    if task == "novelty":
        said = [line for line in lines if re.match(r"(cdvae|mattergen): \d+(\.\d)? % copies", line)]
        assert len(said) == 2, "each model's shares once more"
        assert "that floor" not in " ".join(lines)


def test_a_table_narrower_than_its_numbers_still_shows_them_whole(results):
    (table, *_) = score_tables(models(results, 2, LONG))
    lines = table_lines(table, 40)
    assert any(re.search(r" 38  \(\d+–\d+\)$", line) for line in lines)
    assert max(map(cell_len, lines)) <= 40


def test_a_metric_without_words_and_floors_is_printed(results):
    metric = Metric(value=0.25, better="higher", n=4)
    one = results[0].model_copy(
        update={"task": "new", "headline": "odd", "metrics": {"odd": metric}}
    )
    lines = printed([one])
    assert "odd: atomgpt 0.25" in lines[-1] and any("no floors" in line for line in lines)
