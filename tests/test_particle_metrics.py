"""Particle metrics against published values, scipy's formulas, closed forms and invariances."""

import json
import math

import amd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, cKDTree
from scipy.spatial.distance import cdist, directed_hausdorff, pdist
from scipy.spatial.transform import Rotation
from scipy.stats import wasserstein_distance

from matscale.metrics.particles import (
    PAIRED,
    PUBLISHED,
    REASONS,
    SOUND,
    Particle,
    compare,
    paired,
    published,
    sound,
)
from matscale.metrics.particles.boxes import box_tree, hausdorff, nearest, neighbour_distances
from matscale.metrics.particles.columns import pair_histogram, partial_pair_histograms
from matscale.metrics.particles.neighbourhoods import columnwise_wasserstein, pdd_lower_bound
from matscale.tasks.particles.crystal_to_particle.specs import SPECS

PEROVSKITE = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def sphere(radius, *, edges=(3.9, 3.9, 3.9), centre=(0.0, 0.0, 0.0)):
    """A ball of a perovskite-like crystal, its atoms in no order of distance."""
    grid = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    points = (grid + np.array(PEROVSKITE)) * np.array(edges)
    numbers = np.tile([55, 22, 1, 1, 1], len(points))
    points = points.reshape(-1, 3)
    inside = np.linalg.norm(points - centre, axis=1) <= radius + 1e-6
    return numbers[inside], points[inside]


def posed(positions, seed):
    generator = np.random.default_rng(seed)
    rotation = Rotation.random(rng=generator).as_matrix()
    return positions @ rotation.T + generator.uniform(-50, 50, 3)


def clouds(largest):
    """Point sets from single points to clusters with coincident members, near or far off."""
    return st.tuples(
        st.integers(1, largest),
        st.integers(0, 2**32 - 1),
        st.sampled_from([0.0, 1e-3, 1.0, 30.0]),
        st.sampled_from([0.0, 5.0, 1e4]),
        st.booleans(),
    ).map(lambda made: cloud(*made))


def cloud(n, seed, width, away, doubled):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(n, 3)) * width + away
    return np.concatenate([points, points[: n // 2]]) if doubled else points


# --- published -----------------------------------------------------------------------------------


def test_the_reference_values_are_met(data_dir):
    pairs = json.loads((data_dir / "c2np/reference_particle_metrics.json").read_text())["pairs"]
    assert len(pairs) == 4
    for pair in pairs:
        scores = published(np.array(pair["prediction"]), np.array(pair["truth"]), pair["radius"])
        assert not scores.reasons
        assert scores.values == pytest.approx({name: pair[name] for name in PUBLISHED}, abs=1e-9)


@pytest.mark.parametrize("edge", [2.5, 3.75, 3.9, 4.0])
def test_pairs_on_the_edges_of_bins_are_counted_as_numpy_does(edge):
    """Bins are 5/64 Å wide: distances of 1.25 or 2.5 Å are exactly on an edge, 10 Å is outside."""
    _, points = sphere(11.0, edges=(edge,) * 3)
    inside = pdist(points)
    wanted = np.histogram(inside[inside < 10.0], bins=128, range=(0, 10))[0]
    assert (pair_histogram(points, 128, 10.0) == wanted).all()


@settings(deadline=None, max_examples=60)
@given(clouds(200))
def test_pair_counts_are_numpys(points):
    inside = pdist(points)
    wanted = np.histogram(inside[inside < 10.0], bins=128, range=(0, 10))[0]
    assert (pair_histogram(points, 128, 10.0) == wanted).all()


@settings(deadline=None, max_examples=100)
@given(clouds(120), clouds(90))
def test_hausdorff_distance_is_scipys(first, second):
    wanted = max(directed_hausdorff(first, second)[0], directed_hausdorff(second, first)[0])
    assert hausdorff(box_tree(first), box_tree(second)) == pytest.approx(wanted, abs=1e-9)


def test_published_metrics_are_the_formulas_of_a_thousand_atoms():
    _, truth = sphere(15.0)
    prediction = truth + np.random.default_rng(1).normal(size=truth.shape) * 0.3
    densities = [
        np.histogram(pdist(each)[pdist(each) < 10], bins=128, range=(0, 10), density=True)[0]
        for each in (prediction, truth)
    ]
    hulls = [ConvexHull(each, qhull_options="QJ").volume for each in (prediction, truth)]
    scores = published(prediction, truth, 15.0)
    assert scores.values == pytest.approx(
        {
            "rmsd": np.linalg.norm(prediction - truth) / math.sqrt(truth.size),
            "hausdorff": max(
                directed_hausdorff(truth, prediction)[0], directed_hausdorff(prediction, truth)[0]
            ),
            "delta_hull_volume": abs(hulls[0] - hulls[1]),
            "rdf_energy": np.square(densities[0] - densities[1]).sum(),
            "volume_ratio": hulls[0] / (4 / 3 * math.pi * 15.0**3),
        },
        abs=1e-9,
    )


def test_a_failed_hull_or_histogram_is_zero_as_published_and_said():
    _, truth = sphere(6.0)
    few = published(truth[:3], truth, 6.0)
    assert few.values["delta_hull_volume"] == few.values["volume_ratio"] == 0
    hulls = dict.fromkeys(["delta_hull_volume", "volume_ratio"], "hull_failed")
    assert few.reasons == {"rmsd": "atom_count", **hulls}
    scattered = published(truth * 100, truth, 6.0)
    assert scattered.values["rdf_energy"] == 0
    assert scattered.reasons == {"rdf_energy": "no_pairs"}
    assert published(truth[:-1], truth, 6.0).reasons == {"rmsd": "atom_count"}


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [(np.full((63, 3), np.nan), "non_finite"), (np.empty((0, 3)), "empty")],
)
def test_what_cannot_be_measured_has_no_published_distance(prediction, reason):
    _, truth = sphere(6.0)
    scores = published(prediction, truth, 6.0)
    assert scores.reasons == dict.fromkeys(PUBLISHED, reason)
    assert math.isnan(scores.values["rmsd"])
    assert math.isnan(scores.values["hausdorff"])


# --- kernels -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(clouds(150), clouds(60))
def test_nearest_points_are_those_of_a_distance_matrix(points, queries):
    tree = box_tree(points)
    table = cdist(queries, points)
    found, distances = nearest(tree, queries)
    assert distances == pytest.approx(table.min(axis=1), abs=1e-9)
    assert table[np.arange(len(queries)), found] == pytest.approx(distances, abs=1e-9)
    own = cdist(points, points)
    np.fill_diagonal(own, np.inf)
    wanted = np.sort(np.pad(own, ((0, 0), (0, 12)), constant_values=np.inf), axis=1)[:, :12]
    assert neighbour_distances(tree, 12) == pytest.approx(wanted, abs=1e-9)


def test_a_hundred_neighbours_are_those_of_a_kd_tree():
    _, points = sphere(12.0)
    points = points + np.random.default_rng(2).normal(size=points.shape) * 0.1
    wanted = cKDTree(points).query(points, 101)[0][:, 1:]
    assert neighbour_distances(box_tree(points), 100) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_columns_are_apart_by_scipys_wasserstein_distance(n, m, seed):
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, 9, (n, 3)), generator.normal(size=(m, 3)) * 5
    wanted = [wasserstein_distance(first[:, j], second[:, j]) for j in range(3)]
    assert columnwise_wasserstein(first.astype(float), second) == pytest.approx(wanted, abs=1e-9)


def test_partial_histograms_share_pairs_between_the_nearest_bins():
    """Against a table of all distances and numpy's interpolation, for three kinds of atoms."""
    generator = np.random.default_rng(3)
    points, kinds = generator.uniform(0, 14, (300, 3)), generator.integers(0, 3, 300)
    table = cdist(points, points)
    centres = (np.arange(200) + 0.5) * 0.05
    wanted = np.zeros((3, 3, 200))
    for a in range(3):
        for b in range(3):
            pairs = table[np.ix_(kinds == a, kinds == b)].ravel()
            pairs = pairs[(pairs > 0.1) & (pairs < 11)]
            for k in np.flatnonzero(np.histogram(pairs, 200, (0, 10))[0] + 1):
                wanted[a, b, k] = np.clip(1 - np.abs(pairs - centres[k]) / 0.05, 0, None).sum()
    found = partial_pair_histograms(points, kinds, 3, 200, 10.0)
    assert found[:, :, 3:] == pytest.approx(wanted[:, :, 3:], abs=1e-9)


def test_the_pdd_distance_lies_between_amd_and_the_earth_movers_distance():
    _, truth = sphere(7.0)
    generator = np.random.default_rng(4)
    for prediction in (truth + generator.normal(size=truth.shape) * 0.2, truth[3:], truth * 1.05):
        k = 30
        ours = [neighbour_distances(box_tree(each), k) for each in (prediction, truth)]
        pdds = [np.asarray(amd.PDD_finite(each, collapse=False)) for each in (prediction, truth)]
        pdds = [pdd[:, : k + 1] for pdd in pdds]
        bound = pdd_lower_bound(*ours)
        averages = [pdd[:, 0] @ pdd[:, 1:] for pdd in pdds]
        assert np.abs(averages[0] - averages[1]).max() - 1e-9 <= bound
        assert bound <= amd.EMD(pdds[0], pdds[1]) + 1e-6  # its own precision


# --- sound ---------------------------------------------------------------------------------------

CRYSTALS = {"cubic": (3.9, 3.9, 3.9), "orthorhombic": (3.9, 4.3, 4.8)}


@pytest.mark.parametrize("edges", CRYSTALS.values(), ids=CRYSTALS)
@pytest.mark.parametrize("radius", [6.0, 9.0, 14.0])
def test_the_truth_scores_zero_in_any_pose_and_order(edges, radius):
    numbers, truth = sphere(radius, edges=edges)
    order = np.random.default_rng(5).permutation(len(numbers))
    scores = sound(numbers[order], posed(truth, 6)[order], numbers, truth, radius)
    assert not scores.reasons
    assert scores.values == pytest.approx(dict.fromkeys(SOUND, 0.0), abs=1e-6)


def corrupted(kind, seed):
    """A prediction of a 7 Å sphere, bad in one of several ways."""
    generator = np.random.default_rng(seed)
    numbers, truth = sphere(7.0)
    if kind == "rattled":
        return numbers, truth + generator.normal(size=truth.shape) * 0.2
    if kind == "vacant":
        kept = generator.random(len(numbers)) > 0.2
        return numbers[kept], truth[kept]
    return numbers, generator.normal(size=truth.shape) * 4


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["rattled", "vacant", "gas"]), st.integers(0, 2**32 - 1))
def test_scores_do_not_depend_on_pose_or_order(kind, seed):
    numbers, prediction = corrupted(kind, seed)
    truth = sphere(7.0)
    order = np.random.default_rng(seed + 1).permutation(len(numbers))
    before = sound(numbers, prediction, *truth, 7.0)
    after = sound(numbers[order], posed(prediction, seed)[order], *truth, 7.0)
    assert after.values == pytest.approx(before.values, abs=1e-6)


def swapped(numbers, generator, share):
    """Numbers after exchanging disjoint pairs of atoms of different species."""
    numbers = numbers.copy()
    for _ in range(round(share * len(numbers) / 2)):
        i = generator.integers(len(numbers))
        j = generator.choice(np.flatnonzero(numbers != numbers[i]))
        numbers[[i, j]] = numbers[[j, i]]
    return numbers


GEOMETRY = ("rdf_distance", "bond_length_error", "pdd_distance", "chamfer")
LADDERS = {
    "rattle": ((0.05, 0.1, 0.2), (*GEOMETRY, "hausdorff_superposed")),
    "vacancies": ((0.01, 0.05, 0.2), (*GEOMETRY, "atom_count_error", "coordination_error")),
    "swaps": ((0.02, 0.1, 0.3), ("rdf_distance", "coordination_error", "chamfer")),
    "radius": ((1, 2, 4), ("atom_count_error", "gyration_error", "hull_volume_error", "chamfer")),
}


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("radius", [8.0, 12.0])
def test_worse_predictions_score_worse(ladder, radius):
    numbers, truth = sphere(radius)
    generator = np.random.default_rng(7)
    noise, lot = generator.normal(size=truth.shape), generator.random(len(numbers))
    levels, metrics = LADDERS[ladder]
    true = Particle.of(numbers, truth)
    ranked = []
    for level in (0.0, *levels):
        if ladder == "rattle":
            wrong = numbers, truth + level * noise
        elif ladder == "vacancies":
            wrong = numbers[lot >= level], truth[lot >= level]
        elif ladder == "swaps":
            wrong = swapped(numbers, np.random.default_rng(8), level), truth
        else:
            wrong = sphere(radius + level)
        turned = Particle.of(wrong[0], posed(wrong[1], 9))
        ranked.append(compare(turned, true, radius).values)
    for name in metrics:
        values = [scores[name] for scores in ranked]
        assert np.all(np.diff(values) > 1e-6), (name, values)


def test_a_sphere_about_another_centre_is_found_in_the_larger_one():
    """Carved 6.8 Å off the centre: all of it coincides with a part of the truth."""
    numbers, truth = sphere(14.0)
    inside = np.linalg.norm(truth - [3.9, 3.9, 3.9], axis=1) <= 7.0
    scores = sound(numbers[inside], posed(truth[inside], 10), numbers, truth, 14.0)
    there = [
        cdist(truth[numbers == one], truth[inside & (numbers == one)]).min(axis=1).sum()
        for one in np.unique(numbers)
    ]
    wanted = sum(there) / len(numbers) / 2
    assert scores.values["chamfer"] <= wanted + 1e-6  # it may fit elsewhere still better
    assert scores.values["gyration_error"] > 0.4


@pytest.mark.parametrize("seed", range(4))
def test_the_right_one_of_three_nearly_equal_axes_is_found(seed):
    """A tetragonal crystal, c/a = 1.04, with a fifth of its atoms missing: pose known, not told."""
    numbers, truth = sphere(16.0, edges=(3.9, 3.9, 4.05))
    kept = np.random.default_rng(seed).random(len(numbers)) > 0.2
    scores = sound(numbers[kept], posed(truth[kept], seed), numbers, truth, 16.0)
    missed = [
        cdist(truth[~kept & (numbers == one)], truth[kept & (numbers == one)]).min(axis=1).sum()
        for one in np.unique(numbers)
    ]
    assert scores.values["chamfer"] == pytest.approx(sum(missed) / len(numbers) / 2, rel=0.02)


def test_mirror_images_are_not_superposed():
    numbers = np.array([1, 6, 7, 8])
    truth = np.array([[0.0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4]])
    assert sound(numbers, posed(truth, 11), numbers, truth, 4.0).values["chamfer"] < 1e-9
    assert sound(numbers, posed(-truth, 11), numbers, truth, 4.0).values["chamfer"] > 0.3


def test_composition_is_by_share_and_count_by_atoms():
    numbers, truth = sphere(6.0)
    scores = sound(np.full(10, 22), truth[:10], numbers, truth, 6.0).values
    assert scores["composition_error"] == pytest.approx(1 - np.mean(numbers == 22))
    assert scores["atom_count_error"] == pytest.approx((len(numbers) - 10) / len(numbers))


def test_hull_and_gyration_of_a_scaled_copy():
    numbers, truth = sphere(9.0)
    scores = sound(numbers, posed(1.1 * truth, 12), numbers, truth, 9.0).values
    assert scores["hull_volume_error"] == pytest.approx(1.1**3 - 1)
    assert scores["gyration_error"] == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["one", "two", "line", "plane", "coincident", "foreign"])
def test_degenerate_predictions_have_finite_scores_that_are_not_perfect(kind):
    numbers, truth = sphere(7.0)
    wrong = {
        "one": (numbers[:1], truth[:1]),
        "two": (numbers[:2], truth[:2]),
        "line": (numbers, truth * [1, 0, 0]),
        "plane": (numbers, truth * [1, 1, 0]),
        "coincident": (numbers, truth * 0 + 3),
        "foreign": (np.full(len(numbers), 79), truth),
    }[kind]
    scores = sound(*wrong, numbers, truth, 7.0)
    assert not scores.reasons
    assert all(math.isfinite(value) for value in scores.values.values())
    assert scores.values["chamfer"] > 0.5
    assert scores.values["rdf_distance"] > 0.5
    turned = sound(wrong[0], posed(wrong[1], 13), numbers, truth, 7.0)
    assert turned.values["chamfer"] == pytest.approx(scores.values["chamfer"], rel=0.05)


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        (np.full((4, 3), np.inf), "non_finite"),
        (np.full((4, 3), 1e300), "out_of_range"),
        (np.empty((0, 3)), "empty"),
    ],
)
def test_what_cannot_be_measured_has_a_reason_and_no_score(positions, reason):
    numbers, truth = sphere(6.0)
    scores = sound(np.full(len(positions), 1), positions, numbers, truth, 6.0)
    geometric = set(SOUND) - {"atom_count_error", "composition_error"}
    assert all(math.isnan(scores.values[name]) for name in geometric)
    assert {scores.reasons[name] for name in geometric} == {reason}
    assert scores.values["atom_count_error"] > 0.9


def test_a_truth_without_extent_is_not_blamed_on_the_prediction():
    scores = sound([1], [[0.0, 0, 0]], [1], [[5.0, 5, 5]], 6.0)
    assert scores.values["chamfer"] == 0
    assert scores.reasons["hull_volume_error"] == "flat_truth"
    assert scores.reasons["bond_length_error"] == "one_atom_truth"
    with pytest.raises(ValueError, match="true particle"):
        sound([1], [[0.0, 0, 0]], [], np.empty((0, 3)), 6.0)
    with pytest.raises(ValueError, match="2 atomic numbers"):
        sound([1, 1], [[0.0, 0, 0]], [1], [[5.0, 5, 5]], 6.0)


def test_a_hundred_thousand_atoms():
    numbers, truth = sphere(6.0)
    generator = np.random.default_rng(14)
    many = generator.uniform(-55, 55, (100_000, 3))
    scores = sound(np.resize([55, 22, 1, 1, 1], len(many)), many, numbers, truth, 6.0)
    assert not scores.reasons
    assert scores.values["atom_count_error"] == pytest.approx(1e5 / len(numbers) - 1)
    wanted = cKDTree(many).query(truth)[0].mean()
    assert published(many, truth, 6.0).values["hausdorff"] == pytest.approx(
        cKDTree(truth).query(many)[0].max()
    )
    assert scores.values["chamfer"] > wanted


# --- paired --------------------------------------------------------------------------------------


def test_a_rotated_perfect_copy_is_perfect_when_aligned():
    """RADII's own code applies the inverse of the rotation, and gives 7 to 8 Å here."""
    _, truth = sphere(9.0)
    scores = paired(posed(truth, 15), truth)
    assert scores.values["aligned_rmsd"] == pytest.approx(0, abs=1e-9)
    assert scores.values["coordination_correlation"] == pytest.approx(1)
    assert scores.reasons == {"surface_interior_ratio": "no_error"}


def test_aligned_rmsd_is_that_of_scipys_rotation():
    _, truth = sphere(8.0)
    prediction = posed(truth + np.random.default_rng(16).normal(size=truth.shape), 17)
    _, distance = Rotation.align_vectors(truth - truth.mean(0), prediction - prediction.mean(0))
    wanted = distance / math.sqrt(len(truth))
    scores = paired(prediction, truth)
    assert scores.values["aligned_rmsd"] == pytest.approx(wanted, abs=1e-9)
    near = [(cdist(each, each) < 3.0).sum(axis=1) for each in (prediction, truth)]
    assert scores.values["coordination_correlation"] == pytest.approx(np.corrcoef(near)[0, 1])


def test_error_in_the_outer_shell_shows_as_surface_error():
    _, truth = sphere(9.0)
    away = np.linalg.norm(truth - truth.mean(axis=0), axis=1)
    noise = np.random.default_rng(18).normal(size=truth.shape) * 0.05
    prediction = truth + noise * np.where(away > 7, 10, 1)[:, None]
    scores = paired(prediction, truth).values
    assert scores["surface_interior_ratio"] == pytest.approx(10, rel=0.25)
    assert paired(prediction[:-1], truth).reasons == dict.fromkeys(PAIRED, "atom_count")


def test_every_metric_is_described():
    numbers, truth = sphere(6.0)
    returned = [
        published(truth, truth, 6.0),
        sound(numbers, truth, numbers, truth, 6.0),
        paired(truth, truth),
    ]
    assert [list(scores.values) for scores in returned] == [
        list(PUBLISHED),
        list(SOUND),
        list(PAIRED),
    ]
    described = {**SPECS["sound"], **SPECS["published"]}
    for name in (*PUBLISHED, *SOUND, *PAIRED):
        assert described[name].label and described[name].definition.endswith("."), name
    assert all(" " in text for text in REASONS.values())
