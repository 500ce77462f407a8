"""Diagnostics over radius against scipy and numpy written differently, and closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import linregress, rankdata

from matscale.metrics import scales

ID_RADII = (10, 11, 17, 21, 24, 26)
OOD_RADII = (6, 7, 29, 30)
RADII = np.array(sorted(ID_RADII + OOD_RADII), float)

means = st.lists(st.floats(0.01, 50), min_size=3, max_size=10).filter(lambda v: np.ptp(v) > 1e-3)


def test_a_profile_has_the_means_of_the_samples_that_have_a_value():
    generator = np.random.default_rng(0)
    radii = np.repeat([6.0, 30.0, 10.0], [40, 30, 2])
    values = generator.normal(radii, 1.0)
    values[[3, 41]] = np.nan, np.inf
    found = scales.profile(radii, values, np.arange(72), seed=1)
    assert found.radius.tolist() == [6, 10, 30]
    assert found.n.tolist() == [39, 2, 29]
    assert found.failed.tolist() == [1, 0, 1]
    for row, radius in enumerate(found.radius):
        known = [v for r, v in zip(radii, values, strict=True) if r == radius and abs(v) < 1e9]
        assert found.mean[row] == pytest.approx(sum(known) / len(known))
    half = 1.96 * np.std(values[radii == 6][np.isfinite(values[radii == 6])]) / math.sqrt(39)
    assert found.high[0] - found.low[0] == pytest.approx(2 * half, rel=0.15)


def test_one_nan_sample_does_not_spoil_a_radius_and_is_counted():
    """In RADII's own code it turns the mean into NaN."""
    found = scales.profile(np.array([6.0, 6, 6]), np.array([1.0, np.nan, 3]), np.arange(3), seed=0)
    assert (found.mean[0], found.n[0], found.failed[0]) == (2.0, 2, 1)
    lost = scales.profile(np.array([6.0, 6]), np.array([np.nan, np.nan]), np.arange(2), seed=0)
    assert math.isnan(lost.mean[0])
    assert (lost.n[0], lost.failed[0]) == (0, 2)


def test_orientations_of_one_material_count_once():
    values = np.repeat(np.random.default_rng(0).normal(size=30), 8)
    once = scales.profile(np.full(30, 6.0), values[::8], np.arange(30), seed=0)
    often = scales.profile(np.full(240, 6.0), values, np.repeat(np.arange(30), 8), seed=0)
    assert often.high[0] - often.low[0] == pytest.approx(once.high[0] - once.low[0])
    assert (often.n[0], once.n[0]) == (240, 30)


@given(means)
def test_smoothness_is_the_correlation_of_ranks(values):
    radius = np.arange(len(values)) + 6.0
    wanted = np.corrcoef(rankdata(radius), rankdata(values))[0, 1]
    assert scales.smoothness(radius, np.array(values)) == pytest.approx(wanted, abs=1e-9)


def test_smoothness_of_a_rising_metric_and_of_too_little():
    rising = RADII**0.3
    assert scales.smoothness(RADII, rising) == 1
    assert scales.smoothness(RADII, -rising) == -1
    assert scales.smoothness(RADII[:5], rising[:5]) == 1  # 0.9999999999999999 to scipy
    rising[2] = np.nan
    assert scales.smoothness(RADII, rising) == pytest.approx(1)
    assert math.isnan(scales.smoothness(RADII, np.ones(len(RADII))))
    assert math.isnan(scales.smoothness(RADII[:2], RADII[:2]))


@given(means)
def test_jump_ratio_by_hand(values):
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    order = np.random.default_rng(0).permutation(len(values))
    found = scales.jump_ratio(np.arange(len(values))[order], np.array(values)[order])
    assert found == pytest.approx(max(steps) * len(steps) / sum(steps))


def test_jump_ratio_knows_no_unknown_step():
    assert scales.jump_ratio(RADII[:4], np.array([1.0, np.nan, 2.0, 3.0])) == pytest.approx(1)
    assert math.isnan(scales.jump_ratio(RADII, np.ones(len(RADII))))


def test_degradation_is_a_ratio_of_means_over_samples():
    radii = np.array([10.0, 10, 11, 6, 30, 30, 12])
    values = np.array([1.0, 3, 2, 8, np.nan, 4, 999])
    assert scales.degradation_ratio(radii, values, ID_RADII, OOD_RADII) == pytest.approx(6 / 2)
    assert math.isnan(scales.degradation_ratio(radii, values * 0, ID_RADII, OOD_RADII))
    assert math.isnan(scales.degradation_ratio(radii, values, ID_RADII, [7]))


def test_frontier_is_the_last_acceptable_radius():
    mean = np.array([1.0, 1.5, 1.0, 2.0, 3.0, 1.9, 2.5, np.nan, 4.0, 5.5])
    found = scales.frontier(RADII, mean, 2.0)
    assert found.radius == RADII[5]
    assert found.share_inside == pytest.approx(0.5)
    assert found.mean_beyond == pytest.approx((2.5 + 4 + 5.5) / 3)
    better = scales.frontier(RADII, -mean, -2.0, better="higher")
    assert (better.radius, better.share_inside) == (found.radius, found.share_inside)


def test_frontier_of_all_and_of_nothing():
    everywhere = scales.frontier(RADII, np.zeros(len(RADII)), 2.0)
    assert (everywhere.radius, everywhere.share_inside) == (30, 1)
    assert math.isnan(everywhere.mean_beyond)
    nowhere = scales.frontier(RADII, np.full(len(RADII), 40.0), 2.0)
    assert math.isnan(nowhere.radius)
    assert (nowhere.share_inside, nowhere.mean_beyond) == (0, 40)
    unknown = scales.frontier(RADII, np.full(len(RADII), np.nan), 2.0)
    assert unknown.share_inside == 0
    assert math.isnan(unknown.radius)
    assert math.isnan(unknown.mean_beyond)


def test_the_metric_that_fails_first_comes_first():
    by_radius = {
        "aligned_rmsd": RADII * 0.1,  # beyond 2 Å from 21 Å
        "bond_length_error": RADII * 0.04,  # beyond 0.5 Å from 17 Å
        "gyration_error": RADII * 0.001,  # never beyond 15 %
        "chamfer": RADII * 100,  # has no threshold
    }
    order = scales.failure_order(RADII, by_radius)
    assert order[:2] == [("bond_length_error", 17.0), ("aligned_rmsd", 21.0)]
    assert order[2][0] == "gyration_error"
    assert math.isnan(order[2][1])
    lost = {"aligned_rmsd": np.where(RADII == 7, np.nan, 0.0), "match": np.ones(len(RADII))}
    wanted = {"aligned_rmsd": 2.0, "match": 0.5}
    found = scales.failure_order(RADII, lost, wanted, {"match": "higher"})
    assert found[0] == ("aligned_rmsd", 7.0)
    assert math.isnan(found[1][1])


def test_a_power_law_is_found_and_extrapolates():
    law = scales.power_law(RADII, 0.02 * RADII**1.7, ID_RADII, OOD_RADII)
    assert (law.prefactor, law.exponent, law.n) == (
        pytest.approx(0.02),
        pytest.approx(1.7),
        len(ID_RADII),
    )
    assert law.error == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_a_power_law_is_a_line_of_logarithms(seed):
    mean = 0.02 * RADII**1.7 * np.random.default_rng(seed).lognormal(0, 0.3, len(RADII))
    inside = [r in ID_RADII for r in RADII]
    line = linregress(np.log(RADII[inside]), np.log(mean[inside]))
    law = scales.power_law(RADII, mean, ID_RADII, OOD_RADII)
    assert law.exponent == pytest.approx(line.slope)
    assert law.prefactor == pytest.approx(math.exp(line.intercept))
    errors = [
        abs(math.exp(line.intercept) * r**line.slope - m) / m
        for r, m in zip(RADII, mean, strict=True)
        if r in OOD_RADII
    ]
    assert law.error == pytest.approx(sum(errors) / len(errors))


def test_a_power_law_needs_two_positive_means():
    mean = np.where(RADII == 10, 1.0, 0.0)
    law = scales.power_law(RADII, mean, ID_RADII, OOD_RADII)
    assert law.n == 1
    assert math.isnan(law.exponent)
    assert math.isnan(law.error)


def answers(noise, count=6):
    generator = np.random.default_rng(3)
    particle = generator.uniform(-8, 8, (60, 3))
    return [
        (particle + noise * generator.normal(size=particle.shape)) @ turn.T + [count, 0, 1]
        for turn in Rotation.random(count, rng=generator).as_matrix()
    ]


def test_answers_that_only_turn_with_the_question_agree():
    found = scales.rotation_consistency(answers(0.0))
    assert found.n == 6
    assert found.mean == pytest.approx(0, abs=1e-9)
    assert found.largest == pytest.approx(0, abs=1e-9)


def test_mirrored_answers_do_not_agree():
    one = answers(0.0, 1)[0]
    assert scales.rotation_consistency([one, -one]).mean > 1


def test_rotation_consistency_is_scipys_alignment_of_all_pairs():
    given_answers = answers(0.5)
    wanted = [
        Rotation.align_vectors(a - a.mean(axis=0), b - b.mean(axis=0))[1] / math.sqrt(60)
        for a, b in itertools.combinations(given_answers, 2)
    ]
    found = scales.rotation_consistency(given_answers)
    assert found.mean == pytest.approx(np.mean(wanted))
    assert found.largest == pytest.approx(max(wanted))


def test_answers_that_cannot_be_compared_are_counted():
    good = answers(0.5)
    broken = [np.full((60, 3), np.nan), good[0][:-1], np.empty((0, 3))]
    found = scales.rotation_consistency([*good, *broken])
    assert (found.n, found.failed) == (6, 3)
    assert found.mean == pytest.approx(scales.rotation_consistency(good).mean)
    alone = scales.rotation_consistency(broken)
    assert (alone.n, alone.failed) == (1, 2)
    assert math.isnan(alone.mean)
    assert scales.rotation_consistency([]).n == 0
