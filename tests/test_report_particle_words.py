"""The page of the particle tasks: rounding is no result, failures in words and by count."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import particle_report_samples as made
from matscale.metrics.particles import REASONS
from matscale.metrics.scales import Profile
from matscale.report.parts.particles.gather import _surface_row
from matscale.report.parts.particles.profiles import (
    Curve,
    Radii,
    diagnostics_row,
    metric_of,
    places_of,
    turned_grid,
)
from matscale.report.parts.particles.published import PRINTED_PARTICLES, beside_published
from matscale.report.sections import OPEN_LIST, _refused
from matscale.report.tables.score import Column, make_cell
from matscale.report.wording import reason_text
from matscale.results.result import Metric, RefusedItem
from matscale.results.samples import Samples
from matscale.tasks.particles.crystal_to_particle.consistency import Answers
from matscale.tasks.particles.crystal_to_particle.specs import SPECS


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    results = made.write_results(tmp_path_factory.mktemp("words"), made.FORWARD, largest=7.0)
    return [one for one in results if one.protocol == "published"]


def test_an_exponent_of_a_constant_is_zero():
    radius = np.array([10.0, 11.0, 17.0, 21.0, 24.0, 26.0, 29.0, 30.0])
    mean = np.full(len(radius), 0.1)
    counts = np.ones(len(radius), int)
    curve = Curve("one", "floor", Profile(radius, mean, mean, mean, counts, 0 * counts))
    radii = Radii(tuple(radius[:6]), tuple(radius[6:]), ())
    exponent, error = diagnostics_row(curve, metric_of(SPECS["sound"]["chamfer"]), radii)[-2:]
    assert (exponent, error) == (0.0, 0.0)


def test_rounding_at_surface_and_interior_has_no_ratio():
    samples = Samples(
        {
            "split": np.array(["id", "id"], object),
            "chamfer_surface": np.array([4.72e-16, 4.72e-16], object),
            "chamfer_interior": np.array([3.4e-16, 3.4e-16], object),
        }
    )
    (place,) = places_of("carve", samples, "chamfer")
    assert (place.surface, place.interior) == (0.0, 0.0)
    assert math.isnan(_surface_row(metric_of(SPECS["sound"]["chamfer"]), place)[-1])


def test_a_floor_that_is_rounding_is_zero():
    column = Column(SPECS["published"]["rmsd"], "Å", 1.0, 0.0, 3.0)
    metric = Metric(value=2.0, low=1.9, high=2.1, unit="Å", better="lower", n=9, floor=7e-15)
    assert make_cell(column, metric).floor == "0"
    real = metric.model_copy(update={"floor": 0.0123})
    assert make_cell(column, real).floor != "0"


def test_reasons_are_said_in_words():
    def said(words: str) -> str:
        return reason_text(words, SPECS["published"], made.FORWARD)

    assert said("hull_failed, no_pairs") == f"{REASONS['hull_failed']}, {REASONS['no_pairs']}"
    assert said("delta_hull_volume: hull_failed") == f"Δ hull volume: {REASONS['hull_failed']}"
    assert said("not determined: too small") == "not determined: too small"
    # Another task's counts are its own.
    assert reason_text("hull_failed", {}, "reconstruction") == "hull_failed"


def test_the_loss_of_predicting_no_noise_is_known(published):
    rows = {row[0]: row for row in beside_published(published, PRINTED_PARTICLES).grid.rows}
    assert rows["predict_zero_noise"][2] == "0.0100 / 0.0100"
    assert rows["return_input"][2] == "–"


def test_zeros_of_what_failed_are_marked(published):
    plain = beside_published(published, PRINTED_PARTICLES)
    counts = published[0].counts.model_copy(update={"warnings": {"rdf_energy: no_pairs": 3}})
    marked = beside_published(
        [published[0].model_copy(update={"counts": counts}), *published[1:]], PRINTED_PARTICLES
    )
    name = published[0].predictor.name
    before, after = (
        next(row for row in found.grid.rows if row[0] == name) for found in (plain, marked)
    )
    place = next(k for k, label in enumerate(plain.grid.columns) if label == "RDF energy")
    assert after[place] == f"{before[place]} †"
    assert before[:place] == after[:place]
    assert len(marked.grid.notes) == len(plain.grid.notes) + 1


def with_refusals(result, kind: str, details: list[str]):
    items = tuple(
        RefusedItem(id=str(k), source=kind, reason="zeros", detail=detail)
        for k, detail in enumerate(details)
    )
    counts = result.counts.model_copy(update={"refused": {"zeros": len(items)}})
    predictor = result.predictor.model_copy(update={"kind": kind, "name": kind})
    return result.model_copy(update={"refused": items, "counts": counts, "predictor": predictor})


def test_failures_that_are_all_alike_are_counted_and_ceilings_come_first(published):
    alike = ["degenerate cell"] * (OPEN_LIST + 1)
    each = [f"detail {k}" for k in range(OPEN_LIST + 1)]
    found = _refused(
        [
            with_refusals(published[0], "floor", alike),
            with_refusals(published[0], "ceiling", each),
            with_refusals(published[0], "model", alike),
        ]
    )
    assert [(one.name, len(one.items), one.unlisted) for one in found] == [
        ("model", OPEN_LIST + 1, 0),
        ("ceiling", OPEN_LIST + 1, 0),
        ("floor", 1, OPEN_LIST),
    ]


class _Asked:
    """A question about three rotations of one particle and one of another."""

    keys = ((0, 10.0, 1), (0, 10.0, 2), (1, 10.0, 1), (0, 10.0, 3))

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, row: int) -> tuple[int, float, int]:
        return self.keys[row]


def test_answers_to_one_particle_in_several_rotations_are_compared():
    """Turned copies agree; a mirror image and a scaled copy of a chiral set do not."""
    one = np.random.default_rng(3).normal(size=(20, 3)) * 4
    turns = Rotation.random(3, random_state=1).as_matrix()
    answers = Answers(_Asked())
    for row, turn in zip((0, 1, 3), turns, strict=True):
        answers.add(row, one @ turn.T)
    answers.add(2, one)
    column = answers.column()
    assert column[0] == pytest.approx(0, abs=1e-5)
    assert np.isnan(column[1:]).all()
    mirrored = Answers(_Asked())
    mirrored.add(0, one)
    mirrored.add(1, -one)
    centred = one - one.mean(axis=0)
    turn = Rotation.align_vectors(centred, -centred)[0]
    expected = np.sqrt(((turn.apply(-centred) - centred) ** 2).sum(axis=1).mean())
    assert mirrored.column()[0] == pytest.approx(expected, rel=1e-5)


def test_rotation_consistency_is_shown_by_radius():
    samples = Samples(
        {
            "radius": np.array([10.0, 10.0, 11.0, 29.0], object),
            "rotation_consistency": np.array([1.0, 3.0, 1e-15, None], object),
        }
    )
    grid = turned_grid({"one": samples, "none": Samples()}, Radii((10.0, 11.0), (29.0,), ()))
    (row,) = grid.rows
    assert row[:3] == ("one", 2.0, 0.0) and math.isnan(row[3])
    assert turned_grid({"none": Samples()}, Radii((10.0,), (), ())) is None
