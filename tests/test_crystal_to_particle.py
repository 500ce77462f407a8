"""Crystal to particle: scores, submissions, and what a predictor can see."""

import csv
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from matscale.api import score
from matscale.cli import app
from matscale.datasets.particles import build_particles, material_set, save_particles
from matscale.datasets.particles.leakage import leakage
from matscale.predictors.floors.particles import NearestTrainingParticle
from matscale.report.headline import headline
from matscale.runtime.errors import Refused, UserError
from matscale.structures.formats import read_parquet, write
from matscale.structures.table import StructureTable
from matscale.tasks.particles import question as asking
from matscale.tasks.particles.crystal_to_particle.measuring import check
from particle_tasks import holds, reachable, small_set


@pytest.fixture(scope="module")
def particles():
    return small_set("diverse", [3, 8, 20, 40, 50])


@pytest.fixture(scope="module")
def run(particles, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    card = score("crystal-to-particle", Turned(), data=particles, out=out, workers=1)
    return card, out


class Turned:
    """The right particle, turned, moved, its atoms in another order: exact, as far as is asked."""

    name = "turned"

    def predict(self, told):
        from matscale.structures.carving import carve_sphere

        generator = np.random.default_rng(5)
        answers = []
        for one in told:
            positions = one["fractional"] @ one["lattice"]
            numbers, sphere = carve_sphere(one["numbers"], positions, one["lattice"], one["radius"])
            order = generator.permutation(len(numbers))
            turn = Rotation.random(random_state=7).as_matrix()
            answers.append((numbers[order], sphere[order] @ turn.T + [1.0, -2, 3]))
        return answers


def test_an_exact_answer_in_any_pose_and_order_is_sound(run):
    card, _ = run
    for name in ("turned", "carve"):
        metrics = card[f"{name}.sound"].metrics
        assert metrics["rebuilt"].value == metrics["coverage"].value == 1
        for metric in ("rdf_distance", "bond_length_error", "pdd_distance", "atom_count_error"):
            assert metrics[metric].value == pytest.approx(0, abs=1e-6)
        assert metrics["chamfer"].value < 1e-3
    assert card["turned.published"].metrics["rmsd"].value > 4


def test_degenerate_predictors_give_the_published_numbers(run, particles):
    card, _ = run
    question = asking.ask(particles, limit=None)
    truths = [question.particle(row)[1] for row in range(len(question))]
    zero = card["predict_zero_noise"]
    hulls = np.mean([ConvexHull(truth, qhull_options="QJ").volume for truth in truths])
    assert zero.metrics["delta_hull_volume"].value == pytest.approx(hulls, rel=1e-6)
    assert zero.metrics["volume_ratio"].value < 1e-6
    rmsd = np.mean([math.sqrt((truth**2).mean()) for truth in truths])
    assert zero.metrics["rmsd"].value == pytest.approx(rmsd)
    loss = next(note for note in zero.notes if "loss" in note)
    assert "0.0100 (ADiT)" in loss and "loss of 0.0100 here" in loss
    assert card["return_input"].metrics["rmsd"].value == 0
    assert card["return_input"].predictor.told_the_answer
    assert card["carve_in_pose"].metrics["rmsd"].value == pytest.approx(0, abs=1e-9)
    assert card["carve.published"].metrics["rmsd"].value > zero.metrics["rmsd"].value


def test_floors_and_ceiling_take_part_where_they_belong(run):
    card, _ = run
    kinds = {result.name: result.predictor.kind for result in card}
    assert kinds == {
        "carve.sound": "ceiling",
        "bulk_density_gas.sound": "floor",
        "nearest_training_particle.sound": "floor",
        "turned.sound": "model",
        "carve.published": "ceiling",
        "carve_in_pose.published": "ceiling",
        "bulk_density_gas.published": "floor",
        "nearest_training_particle.published": "floor",
        "predict_zero_noise.published": "floor",
        "return_input.published": "floor",
        "turned.published": "model",
    }
    joint = card["turned.sound"].metrics["rdf_distance"]
    assert joint.floor_name == "nearest_training_particle" and joint.ceiling < 1e-12
    assert joint.skill == pytest.approx(1)
    # Predictors that were told the target are no floor for one that was not, and the exact
    # particle is none for any.
    names = {metric.floor_name for result in card for metric in result.metrics.values()}
    assert not names & {"carve", "carve_in_pose"}
    own = {metric.floor_name for metric in card["turned.published"].metrics.values()}
    assert own <= {"bulk_density_gas", "nearest_training_particle", None}
    assert card["carve.published"].metrics["rmsd"].ceiling == pytest.approx(0, abs=1e-9)
    skills = [metric.skill for result in card for metric in result.metrics.values()]
    assert max(abs(skill) for skill in skills if skill is not None) < 1e3


@pytest.mark.parametrize(
    ("told", "floors"),
    [
        (None, {"bulk_density_gas", "nearest_training_particle"}),
        ("numbers,fractional,lattice,radius", {"bulk_density_gas", "nearest_training_particle"}),
        ("positions", {"predict_zero_noise", "return_input"}),
    ],
)
def test_floors_of_a_file_are_those_that_were_told_no_more(run, particles, tmp_path, told, floors):
    copies = submission(particles, lambda _, part: [(part[0], part[1], part[2] + 1e-12)])
    write(copies, tmp_path / "mine.parquet")
    card = score(
        "crystal-to-particle",
        tmp_path / "mine.parquet",
        data=particles,
        protocol="published",
        told=told,
        workers=1,
    )
    metrics = card["mine"].metrics
    assert {one.floor_name for one in metrics.values()} - {None} == floors
    # A perfect copy beside an exact floor is on it, and nowhere else.
    assert all(one.skill in (None, 0, 1) for name, one in metrics.items() if name != "volume_ratio")
    assert headline(card["mine"]).verdict == ("level" if told == "positions" else "above")


def test_what_is_written(run, particles):
    card, out = run
    result = card["turned.sound"]
    table = pq.read_table(out / result.samples)
    assert set(result.metrics) <= set(table.column_names)
    assert set(card["turned.published"].metrics) <= set(table.column_names)
    assert [(group.by, group.group) for group in result.groups] == [
        ("radius", "6"),
        ("radius", "10"),
        ("split", "id"),
        ("split", "ood"),
    ]
    predictions, targets = (
        read_parquet(out / name) for name in (result.predictions, result.targets)
    )
    assert predictions.ids.tolist() == targets.ids.tolist()
    assert set(targets.ids) <= set(table["id"].to_pylist())
    name, radius, rotation = next(
        (row["material"], row["radius"], row["rotation"])
        for row in table.to_pylist()
        if row["id"] == targets.ids[0]
    )
    assert np.allclose(targets.row_positions(0), particles.particle(name, radius, rotation)[1])
    worst = {row["id"]: row["chamfer"] for row in table.to_pylist()}
    assert worst[targets.ids[0]] == max(worst.values())


def test_unmeasurable_metrics_are_counted(run):
    card, _ = run
    warnings = card["bulk_density_gas.published"].counts.warnings
    assert warnings["rmsd: atom_count"] >= 1
    result = card["bulk_density_gas.published"]
    assert result.metrics["rmsd"].n == result.counts.submitted - warnings["rmsd: atom_count"]


# --- submissions -----------------------------------------------------------------------------


def submission(particles, change=lambda place, part: [part]):
    question = asking.ask(particles, limit=None)
    parts = []
    for place in range(len(question)):
        numbers, positions = question.particle(place)
        material, radius, rotation = question.key(place)
        key = (str(particles.materials.ids[material]), radius, rotation)
        parts += change(place, (key, numbers, positions))
    return StructureTable.from_parts(
        [str(place) for place in range(len(parts))],
        [numbers for _, numbers, _ in parts],
        [positions for _, _, positions in parts],
        None,
        {
            "material": np.array([key[0] for key, *_ in parts], dtype=object),
            "radius": np.array([key[1] for key, *_ in parts]),
            "rotation": np.array([key[2] for key, *_ in parts]),
        },
    )


@pytest.mark.parametrize("ending", ["extxyz", "parquet"])
def test_a_perfect_file(tmp_path, particles, ending):
    path = tmp_path / f"mine.{ending}"
    write(submission(particles), path)
    result = score(
        "crystal-to-particle", path, data=particles, protocol="published", told="numbers,radius"
    )["mine"]
    assert result.counts.read == result.counts.submitted == 10
    assert result.metrics["rmsd"].value == pytest.approx(0, abs=1e-12)
    assert result.predictor.told == ("numbers", "radius")


def test_what_is_wrong_with_particles_is_counted(tmp_path, particles):
    def change(place, part):
        key, numbers, positions = part
        match place:
            case 0:
                return []
            case 1:
                return [
                    (key, numbers, np.where(np.arange(len(numbers))[:, None], positions, np.nan))
                ]
            case 2:
                return [part, (key, numbers, positions + 1)]
            case 3:
                return [(key, numbers, positions / 10)]
            case 4:
                return [(("Unobtainium", *key[1:]), numbers, positions)]
            case 5:
                return [((key[0], key[1], key[2] % 90 + 1), numbers, positions)]
        return [part]

    write(submission(particles, change), tmp_path / "mine.extxyz")
    result = score(
        "crystal-to-particle", tmp_path / "mine.extxyz", data=particles, protocol="published"
    )["mine"]
    assert result.counts.refused == {"not finite": 1, "other unit": 1}
    assert result.counts.missing == 3
    assert result.counts.read == 5
    assert result.counts.warnings["to a sample that was answered before"] == 1
    assert result.counts.warnings["to samples that there are not"] == 1
    assert result.counts.warnings["to test particles outside of the drawn sample"] == 1
    assert result.metrics["coverage"].value == 0.5
    assert result.metrics["rmsd"].n == 5


def test_a_file_in_nm_is_one_sentence(tmp_path, particles):
    table = submission(particles, lambda _, part: [(part[0], part[1], part[2] / 10)])
    write(table, tmp_path / "mine.parquet")
    with pytest.raises(UserError, match="in nm"):
        score("crystal-to-particle", tmp_path / "mine.parquet", data=particles)


@pytest.mark.parametrize("options", [(), ("--split", "material"), ("--limit", "2", "--seed", "3")])
def test_the_template_answers_what_score_asks_with_the_same_options(tmp_path, particles, options):
    save_particles(particles, tmp_path / "set", leakage(particles))
    task, data = "crystal-to-particle", str(tmp_path / "set")
    for name in ("example.extxyz", "asked.csv"):
        arguments = ["data", "template", task, "--data", data, "--out", str(tmp_path / name)]
        done = CliRunner().invoke(app, [*arguments, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    named = dict(zip(options[::2], options[1::2], strict=True))
    result = score(
        task,
        tmp_path / "example.extxyz",
        data=data,
        protocol="published",
        split=named.get("--split", "radius"),
        limit=int(named["--limit"]) if "--limit" in named else None,
        seed=int(named.get("--seed", 0)),
        workers=1,
    )["example"]
    assert result.counts.read == min(3, result.counts.submitted)
    assert result.metrics["rmsd"].value == pytest.approx(0, abs=1e-6)
    with (tmp_path / "asked.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == result.counts.submitted


def test_files_that_are_none(tmp_path, particles):
    (tmp_path / "a.xyz").write_text("nonsense\n")
    with pytest.raises(UserError, match="number of atoms"):
        score("crystal-to-particle", tmp_path / "a.xyz", data=particles)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(UserError, match=r"\.extxyz"):
        score("crystal-to-particle", tmp_path / "a.csv", data=particles)
    with pytest.raises(UserError, match="not a file"):
        score("crystal-to-particle", tmp_path / "b.xyz", data=particles)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (3, "unreadable"),
        ((np.ones(2), np.ones((3, 3))), "unreadable"),
        ((np.array([]), np.empty((0, 3))), "no atoms"),
        ((np.array([0]), np.ones((1, 3))), "unknown element"),
        ((np.array([1.5]), np.ones((1, 3))), "unknown element"),
        ((np.array([1]), np.full((1, 3), np.inf)), "not finite"),
        ((np.array([1]), np.full((1, 3), 1e300)), "not finite"),
        ((np.array([1]), np.full((1, 3), -1.1e6)), "not finite"),
        ((["Cs", "H"], np.ones((2, 3))), "unreadable"),
        ((np.array([1e300]), np.ones((1, 3))), "unknown element"),
    ],
)
def test_answers_that_are_none(answer, reason):
    with pytest.raises(Refused) as refusal:
        check(answer)
    assert refusal.value.reason == reason


# --- what a predictor sees -------------------------------------------------------------------


def test_a_predictor_cannot_reach_the_particle(particles):
    class Spy:
        name = "spy"

        def fit(self, training):
            self.batches = []
            self.training = training

        def predict(self, told):
            self.batches.append(told)
            self.found = reachable([told, self.training, self.__dict__])
            return [None for _ in told]

    spy = Spy()
    score("crystal-to-particle", spy, data=particles, split="material", protocol="published")
    assert set(spy.batches[0][0]) == {"numbers", "fractional", "lattice", "radius"}
    question = asking.ask(particles, by="material", limit=None)
    assert holds(spy.found, spy.batches[0][0]["lattice"])
    for row in range(len(question)):
        positions = question.particle(row)[1]
        assert not holds(spy.found, positions[:4])
        assert not holds(spy.found, question.rotation(row))
    held_out = particles.materials.ids[particles.held_out].tolist()
    assert not set(held_out) & set(spy.training.particles.materials.ids.tolist())


def test_the_command(tmp_path, particles):
    folder = tmp_path / "set"
    whole = build_particles(material_set("diverse")[[3, 8]], name="two")
    save_particles(whole, folder, leakage(whole))
    write(submission_of_six(whole), tmp_path / "mine.parquet")
    arguments = ["score", "crystal-to-particle", str(tmp_path / "mine.parquet"), "--data"]
    arguments += [str(folder), "--protocol", "published", "--workers", "1", "--strict"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    assert "mine" in done.output and (tmp_path / "out" / "mine.published.result.json").exists()


def submission_of_six(particles):
    """Answers to the samples at 6 Å alone."""
    return submission(particles, lambda _, part: [part] if part[0][1] == 6 else [])


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from matscale.tasks.particles.crystal_to_particle import measuring

    few, measured, plain = small_set("perov-h3", 2), [], measuring.paired

    def counted(*given):
        measured.append(given)
        return plain(*given)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    def score_into(out):
        measured.clear()
        card = score("crystal-to-particle", Turned(), data=few, out=out, workers=1)
        return card, len(measured)

    monkeypatch.setattr(measuring, "paired", counted)
    with monkeypatch.context() as patch:
        patch.setattr(NearestTrainingParticle, "predict", stopped)
        with pytest.raises(KeyboardInterrupt):
            score_into(tmp_path)
    done = len(measured)
    assert len(list((tmp_path / ".partial").glob("*.npz"))) == done > 0
    assert not list(tmp_path.glob("*.json"))
    resumed, rest = score_into(tmp_path)
    whole, everything = score_into(None)
    assert done + rest == everything
    assert not (tmp_path / ".partial").exists()
    for one, other in zip(resumed, whole, strict=True):
        assert one.metrics == other.metrics and one.groups == other.groups
