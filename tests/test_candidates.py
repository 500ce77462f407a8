"""Several candidates for a target: what is counted is what pymatgen's matcher counts one by one."""

import zipfile
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from rich.console import Console

import matscale as ms
from crystals import held_out, training
from matscale import datasets
from matscale.predictors.floors.crystals import MeanCell, RandomTraining
from matscale.predictors.predictor import Told
from matscale.predictors.training import CrystalTraining, crystal_fields
from matscale.report.console import print_scores
from matscale.runtime.errors import UserError
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.reconstruction.by_chance import cautions
from matscale.tasks.reconstruction.candidates import cuts_of, distinct
from matscale.tasks.reconstruction.score import score_reconstruction

HELD_OUT, TRAINING = held_out(), training()
CUTS = (1, 5, 7)
RATES = ("match_rate", "match_rate_close", "metre")
COUNTED = (*RATES, "crmse")
BASES = (*COUNTED, "rms_angstrom")


def rattled(crystal: Structure, generator: np.random.Generator) -> Structure:
    """A crystal with another cell and its atoms moved a little or far."""
    other = crystal.copy()
    other.apply_strain(generator.normal(0, 0.03, 3), inplace=True)
    far = generator.choice([0.1, 0.5, 1.2])
    coordinates = other.cart_coords + generator.normal(0, far, (len(other), 3))
    return Structure(other.lattice, other.species, coordinates, coords_are_cartesian=True)


def candidates_of(targets: StructureTable, counts: list[int], seed: int = 0) -> StructureTable:
    """So many candidates for each target; those of two targets are of other compositions."""
    generator = np.random.default_rng(seed)
    crystals = list(targets.iter_pymatgen())
    crystals[2], crystals[6] = crystals[1], crystals[7]
    made = [
        (rattled(crystal, generator), str(name))
        for crystal, name, count in zip(crystals, targets.ids, counts, strict=True)
        for _ in range(count)
    ]
    return StructureTable.from_pymatgen(*map(list, zip(*made, strict=True)))


@dataclass(frozen=True)
class Matched:
    """What pymatgen's matcher says of every pair of a candidate and a target.

    Attributes:
        own: Rows of each target's candidates, in order of rank.
        rms: With stol 0.5, by row and target.
        close: Whether it matches with stol 0.3, by row, of the pairs that belong together.
    """

    own: list[np.ndarray]
    rms: dict[tuple[int, int], float]
    close: dict[int, bool]

    def best_of(self, k: int) -> dict[str, float]:
        """Each metric, counted target by target."""
        first = [rows[:k].tolist() for rows in self.own]
        every = [row for rows in first for row in rows]
        best = [
            [self.rms[row, target] for row in rows if (row, target) in self.rms]
            for target, rows in enumerate(first)
        ]
        found = {
            "match_rate": [bool(one) for one in best],
            "match_rate_close": [any(self.close[row] for row in rows) for rows in first],
            "crmse": [min(one, default=0.5) for one in best],
            "metre": [any((row, k) in self.rms for row in every) for k in range(len(best))],
        }
        return {name: float(np.mean(of_each)) for name, of_each in found.items()}


def matched_by_pymatgen(targets: StructureTable, answers: StructureTable) -> Matched:
    wanted, given = (
        [
            one.get_primitive_structure().get_reduced_structure(reduction_algo="niggli")
            for one in table.iter_pymatgen()
        ]
        for table in (targets, answers)
    )
    own = [np.flatnonzero(answers.ids == name) for name in targets.ids]
    wide, close = (StructureMatcher(ltol=0.3, stol=stol, angle_tol=10) for stol in (0.5, 0.3))
    pairs = {
        (row, place): pair[0]
        for place, target in enumerate(wanted)
        for row, one in enumerate(given)
        if (pair := wide.get_rms_dist(one, target))
    }
    near = {
        int(row): close.get_rms_dist(given[row], wanted[place]) is not None
        for place, rows in enumerate(own)
        for row in rows
    }
    return Matched(own, pairs, near)


def values(result, k: int) -> dict[str, float | None]:
    return {base: result.metrics[at(base, k)].value for base in BASES}


def at(base: str, k: int) -> str:
    return base if k == 1 else f"{base}_at_{k}"


def scored(answers: StructureTable, folder: Path, **options):
    write(answers, folder / "model.parquet")
    given = {"targets": HELD_OUT, "train": TRAINING, "protocol": "sound", "workers": 1}
    return score_reconstruction(folder / "model.parquet", **(given | options))


COUNTS = [7, 7, 7, 3, 1, 7, 7, 6, 7, 7, 0, 7]


@pytest.fixture(scope="module")
def answers():
    return candidates_of(HELD_OUT, COUNTS)


@pytest.fixture(scope="module")
def card(answers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("candidates")
    return scored(answers, folder, out=folder / "results")


def test_the_best_of_k_is_what_pymatgen_finds_pair_by_pair(card, answers):
    matched = matched_by_pymatgen(HELD_OUT, answers)
    for k in CUTS:
        found = values(card["model"], k)
        expected = matched.best_of(k)
        assert {name: found[name] for name in COUNTED} == pytest.approx(expected, abs=1e-6)
    assert 0 < found["match_rate_close"] < found["match_rate"] < 1


def test_the_best_candidates_by_themselves_have_the_rms_of_the_best(card, answers, tmp_path):
    """Each candidate scored alone says which is best; those together give the mean."""
    alone = []
    for rank in range(7):
        rows = [np.flatnonzero(answers.ids == name)[rank:][:1] for name in HELD_OUT.ids]
        one = scored(answers[np.concatenate(rows)], tmp_path, out=tmp_path / str(rank))
        alone.append(pq.read_table(one.folder / one["model"].samples).to_pydict())
    best = []
    for row in range(12):
        mine = [(own["rms"][row], own["rms_angstrom"][row]) for own in alone if own["matched"][row]]
        best += [min(mine)[1]] if mine else []
    assert card["model"].metrics["rms_angstrom_at_7"].n == len(best)
    assert card["model"].metrics["rms_angstrom_at_7"].value == pytest.approx(np.mean(best))


def test_more_candidates_never_lower_a_rate(card):
    for result in card.results:
        for base in RATES:
            rates = [result.metrics[at(base, k)].value for k in CUTS]
            assert rates == sorted(rates), (result.predictor.name, base)
        errors = [result.metrics[at("crmse", k)].value for k in CUTS]
        assert errors == sorted(errors, reverse=True)
    model = card["model"]
    assert model.metrics["match_rate_at_7"].value > model.metrics["match_rate"].value
    assert model.metrics["match_rate_at_5"].n == 12


def test_floors_and_ceiling_stand_beside_each_k(card):
    for k in CUTS:
        metric = card["model"].metrics[at("match_rate", k)]
        floors = [
            one.metrics[at("match_rate", k)].value
            for one in card.results
            if one.predictor.kind == "floor"
        ]
        assert metric.floor == max(floors)
        assert metric.ceiling == 1 and metric.low <= metric.value <= metric.high


def test_one_candidate_is_scored_as_without_the_others(card, answers, tmp_path):
    firsts = answers[np.unique(answers.ids.astype(str), return_index=True)[1]]
    alone = scored(firsts, tmp_path)
    for name in ("model", "substitution", "mean_cell", "random_training", "target"):
        of_one = {key: m.value for key, m in card[name].metrics.items() if "_at_" not in key}
        assert of_one == {key: m.value for key, m in alone[name].metrics.items()}, name
    limited = scored(answers, tmp_path, candidates=1)
    assert limited["model"].metrics == alone["model"].metrics
    assert limited["model"].counts.warnings == {"with an id that came before": len(answers) - 11}
    assert not card["model"].counts.warnings


def test_the_order_of_candidates_changes_ranks_alone(card, answers, tmp_path):
    other = scored(answers[np.arange(len(answers))[::-1]], tmp_path)["model"]
    for base in BASES:
        same = card["model"].metrics[at(base, 7)].value
        assert other.metrics[at(base, 7)].value == pytest.approx(same, abs=1e-12), base
    assert other.metrics["match_rate"].value != card["model"].metrics["match_rate"].value


def test_equal_candidates_are_one(card, answers, tmp_path):
    twice = np.repeat(np.arange(len(answers)), 2)
    kept, same = distinct(answers[twice])
    assert len(kept) == len(answers) and (same == np.repeat(np.arange(len(answers)), 2)).all()
    doubled = scored(answers[twice], tmp_path, candidates=14)["model"]
    assert values(doubled, 14) == pytest.approx(values(card["model"], 7), abs=1e-12)


def test_samples_say_which_candidate_matches_first(card, answers):
    table = pq.read_table(card.folder / card["model"].samples).to_pydict()
    assert table["candidates"] == COUNTS
    rates = card["model"].metrics
    for k in (5, 7):
        hits = [rank is not None and rank <= k for rank in table["first_match"]]
        assert np.mean(hits) == rates[f"match_rate_at_{k}"].value
        assert hits == table[f"matched_at_{k}"]
    assert table["matched"] == [rank == 1 for rank in table["first_match"]]
    best = [0.5 if rms is None else rms for rms in table["best_rms"]]
    assert np.mean(best) == pytest.approx(rates["crmse_at_7"].value)


def test_results_at_k_are_compared_in_pairs(card):
    files = [card.folder / f"{name}.sound.result.json" for name in ("model", "substitution")]
    found = {one.metric: one for one in ms.compare(*files)}
    gap = [card[name].metrics["match_rate_at_7"].value for name in ("model", "substitution")]
    assert found["match_rate_at_7"].difference == pytest.approx(gap[0] - gap[1])
    assert found["match_rate_at_7"].sentence.startswith("model matches")
    assert "with 7 candidates" in found["match_rate_at_7"].sentence


def test_page_and_console_show_k_against_rate(card, tmp_path):
    page = card.report(tmp_path).read_text()
    for title in ("match rate", "match rate, stol 0.3", "METRe"):
        assert f"Best of k: {title}" in page
    for width in (80, 50):
        console = Console(width=width, record=True, file=StringIO())
        print_scores(card.results, console)
        lines = console.export_text().splitlines()
        head = next(line for line in lines if line.startswith("predictor"))
        assert [part for part in head.split() if part.isdigit()] == ["1", "5", "7"]
        row = next(line for line in lines if line.startswith("floor mean_cell"))
        assert ("(" in row) == (width == 80)


# --- what cannot be read, and how many there are --------------------------------------------


def test_a_candidate_that_cannot_be_read_takes_no_rank(tmp_path):
    rows = ["id,cif"]
    for row, order in enumerate((["", "right"], ["rubbish", "rubbish"], ["right", "rubbish"])):
        text = HELD_OUT.to_pymatgen(row).to(fmt="poscar").replace("\n", "\\n")
        rows += [f"crystal-{row},{text if one == 'right' else one}" for one in order]
    (tmp_path / "model.csv").write_text("\n".join(rows))
    card = score_reconstruction(
        tmp_path / "model.csv", targets=HELD_OUT[:3], train=TRAINING, workers=1
    )
    result = card["model"]
    assert result.metrics["match_rate_at_2"].value == pytest.approx(2 / 3)
    assert result.metrics["match_rate"].value == result.metrics["match_rate_at_2"].value
    assert result.counts.submitted == 3 and result.counts.read == 2
    assert result.counts.refused == {"unreadable": 1}
    assert result.counts.warnings == {"unreadable beside other candidates for the same target": 3}
    assert len(result.refused) == 4
    assert "Refused from model: 4" in card.report(tmp_path / "page").read_text()


def test_files_in_folders_of_targets_are_candidates_by_their_numbers(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for row, number in product(range(2), range(11)):
            crystal = HELD_OUT.to_pymatgen(row if number == 10 else 5)
            archive.writestr(f"run/crystal-{row}/gen_{number}.cif", crystal.to(fmt="cif"))
    question = {"targets": HELD_OUT[:2], "train": TRAINING, "workers": 1, "protocol": "sound"}
    card = score_reconstruction(tmp_path / "model.zip", out=tmp_path / "results", **question)
    table = pq.read_table(tmp_path / "results" / card["model"].samples).to_pydict()
    assert table["first_match"] == table["candidates"] == [11, 11]
    assert card["model"].metrics["match_rate_at_5"].value == 0


@pytest.mark.parametrize(
    ("most", "cuts"), [(1, ()), (2, (2,)), (5, (5,)), (7, (5, 7)), (20, (5, 20)), (50, (5, 20, 50))]
)
def test_metrics_are_given_at_usual_numbers_and_at_all(most, cuts):
    assert cuts_of(most) == cuts


class Asked:
    """Answers with crystals of training, as many as it is asked for or gives."""

    name = "asked"
    told = ("composition",)

    def __init__(self, given=None):
        self.given, self.wanted = given, []

    def predict(self, told, candidates=1, seed=0):
        self.wanted.append(candidates)
        if candidates == 1:
            return [TRAINING[0] for _ in told]
        return [[TRAINING[k] for k in range(self.given or candidates)] for _ in told]


def test_predictors_and_floors_are_asked_for_candidates():
    question = {"targets": HELD_OUT, "train": TRAINING, "protocol": "sound", "workers": 1}
    model = Asked()
    card = score_reconstruction(model, **question)
    assert model.wanted == [1] and "match_rate_at_5" not in card["asked"].metrics
    model = Asked()
    card = score_reconstruction(model, candidates=5, **question)
    assert model.wanted == [5]
    # The third is rock salt in the target's composition and cell.
    assert card["asked"].metrics["match_rate"].value == 0
    assert card["asked"].metrics["match_rate_at_5"].value == pytest.approx(1 / 12)
    assert card["mean_cell"].metrics["match_rate_at_5"].n == 12
    with pytest.raises(UserError, match="gives 6 candidates for sample 0 where 5 are wanted"):
        score_reconstruction(Asked(given=6), candidates=5, **question)
    with pytest.raises(UserError, match="candidates is 0; give a number from 1 on"):
        score_reconstruction(model, candidates=0, **question)


class Single(Asked):
    """Knows of no candidates, and of one target no answer."""

    def predict(self, told):
        return [None, *HELD_OUT[:11].iter_pymatgen()][: len(told)]


def test_a_predictor_of_single_answers_is_scored_with_those():
    card = score_reconstruction(
        Single(), targets=HELD_OUT, train=TRAINING, candidates=5, protocol="sound", workers=1
    )
    metrics = card["asked"].metrics
    assert metrics["match_rate"].value == metrics["match_rate_at_5"].value == 0
    assert metrics["metre"].value == metrics["metre_at_5"].value == pytest.approx(11 / 12)
    assert card["asked"].counts.missing == 1


@pytest.mark.parametrize("floor", [RandomTraining, MeanCell])
def test_floors_draw_other_candidates_and_the_same_first(floor):
    predictor = floor()
    predictor.fit(CrystalTraining(TRAINING))
    fields = [crystal_fields(HELD_OUT, row, predictor.told, {}) for row in range(12)]
    told = Told.of(fields, predictor.told)
    firsts = predictor.predict(told, seed=3)
    for k in (2, 5):
        lists = predictor.predict(told, candidates=k, seed=3)
        for first, several in zip(firsts, lists, strict=True):
            bits = [one.bits_sha256() for one in several]
            assert bits[0] == first.bits_sha256() and len(set(bits)) == k
    assert len(predictor.predict(told, candidates=50, seed=3)[0]) == (
        6 if floor is RandomTraining else 50
    )


def test_a_scorer_prepares_floors_for_as_many_as_there_are(answers, card):
    scorer = ms.Scorer(
        "reconstruction", targets=HELD_OUT, train=TRAINING, protocol="sound", workers=1
    )
    firsts = answers[np.unique(answers.ids.astype(str), return_index=True)[1]]
    assert "match_rate_at_7" not in scorer.score(firsts)["mean_cell"].metrics
    found = scorer.score(answers, name="model")
    for name in ("model", "mean_cell", "substitution"):
        assert found[name].metrics == card[name].metrics
    assert "match_rate_at_7" not in scorer.score(firsts)["mean_cell"].metrics


# --- what a rate says -----------------------------------------------------------------------


def test_rates_that_atoms_at_random_reach_are_said_to_say_little():
    rates = {0.5: {1: 0.37, 5: 0.9, 20: 1.0}, 0.3: {1: 0.002, 5: 0.01, 20: 0.25}}
    assert cautions(rates) == (
        "Atoms at random in a cube (mean_cell) match 37 % of the targets with 1 candidate, 90 % "
        "with 5 and 100 % with 20 at stol 0.5: from 25 % on, a match rate says little of "
        "coordinates.",
        "Atoms at random in a cube (mean_cell) match 25 % of the targets with 20 candidates at "
        "stol 0.3: from 25 % on, a match rate says little of coordinates.",
    )
    assert cautions({0.5: {1: 0.24, 20: 0.24}, 0.3: {1: 0.0}}) == ()


def test_small_cubic_cells_say_little_of_coordinates():
    pairs = ["Cs Cl", "Cs Br", "Cs I", "Tl Cl", "Tl Br", "Ni Al", "Fe Al", "Co Al"]
    cubes = [Structure(Lattice.cubic(4.0), one.split(), [[0] * 3, [0.5] * 3]) for one in pairs]
    table = StructureTable.from_pymatgen(cubes, pairs)
    card = score_reconstruction(
        table[:4], targets=table[:4], train=table[4:], candidates=20, protocol="sound", workers=1
    )
    random = card["mean_cell"].metrics["match_rate_at_20"].value
    assert random >= 0.25
    note = next(note for note in card["model"].notes if "at random in a cube" in note)
    assert note in card["mean_cell"].notes
    assert f"{100 * random:.0f} %" in note and note.count("with 20") == 1


def test_copies_in_training_are_a_group_of_their_own():
    copied = HELD_OUT[:2].with_ids(["other-0", "other-1"])
    train = StructureTable.concatenate([TRAINING[[0, 3]], copied])
    wrong = HELD_OUT[[1, 0, *range(2, 12)]].with_ids(HELD_OUT.ids.tolist())
    card = score_reconstruction(wrong, targets=HELD_OUT, train=train, workers=1)
    groups = {
        one.group: (one.n, one.metrics["match_rate"].value)
        for one in card["model"].groups
        if one.by == "exact copy in training"
    }
    assert groups == {"copied": (2, 0.0), "not copied": (10, 1.0)}
    assert any("the group 'not copied' is without them" in note for note in card["model"].notes)
    plain = score_reconstruction(wrong, targets=HELD_OUT, train=TRAINING[[0, 3]], workers=1)
    assert not any(one.by == "exact copy in training" for one in plain["model"].groups)


# --- real crystals ---------------------------------------------------------------------------


def test_draws_for_real_perovskites_are_counted_as_pymatgen_does(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCALE_DATA", str(data_dir))
    perovskites = datasets.load("perov5")
    targets, floor = perovskites.table("test")[:10], MeanCell()
    floor.fit(CrystalTraining(perovskites.table("train")[:200]))
    fields = [crystal_fields(targets, row, floor.told, {}) for row in range(10)]
    drawn = floor.predict(Told.of(fields, floor.told), candidates=5, seed=1)
    ids = [str(name) for name in targets.ids for _ in range(5)]
    answers = StructureTable.concatenate([one for own in drawn for one in own]).with_ids(ids)
    card = scored(answers, tmp_path, targets=targets)
    matched = matched_by_pymatgen(targets, answers)
    for k in (1, 5):
        expected = matched.best_of(k)
        found = values(card["model"], k)
        assert {name: found[name] for name in COUNTED} == pytest.approx(expected, abs=1e-6)
    assert found["match_rate"] > 0.5 > found["match_rate_close"]
