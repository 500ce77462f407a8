"""Noise against closed forms and brute force; samplers on exact answers; adapters that add none."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from crystals import rutile, training, wurtzite
from matscale.models.config import NetworkSettings, checked
from matscale.models.coupling import displacements, nearest_images
from matscale.models.crystals import crystals_of, joined
from matscale.models.entry import train
from matscale.models.noising import (
    cosine_signal,
    earlier,
    geometric,
    linear_signal,
    score_size,
    unit_score,
)
from matscale.models.process import statistics_of
from matscale.models.processes.adapter import Adapter, untold
from matscale.models.processes.diffusion import Diffusion
from matscale.models.threads import one_thread
from matscale.models.trained import open_model
from matscale.predictors.predictor import Told
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


SMALL = NetworkSettings(width=16, layers=2, harmonics=1)


def brute_force_score(displacement, deviation):
    """Gradient of the logarithm of a sum over 401 images."""
    images = displacement + np.arange(-200, 201)
    weights = np.exp(-0.5 * (images / deviation) ** 2)
    return -(images * weights).sum() / weights.sum() / deviation**2


def density(displacement, deviation):
    images = displacement + np.arange(-200, 201)
    return np.exp(-0.5 * (images / deviation) ** 2).sum() / deviation / np.sqrt(2 * np.pi)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("deviation", [0.005, 0.05, 0.0799, 0.0801, 0.25, 0.3999, 0.4001, 0.6, 0.9])
def test_scores_are_those_of_a_sum_over_images(deviation):
    places = np.linspace(-1, 1, 15) * min(0.49, 12 * deviation)
    size = float(score_size(double(deviation))[0])
    found = size * unit_score(
        torch.tensor(places)[:, None], double(deviation), torch.zeros(15, dtype=torch.long)
    )
    wanted = [brute_force_score(place, deviation) for place in places]
    assert np.allclose(found[:, 0], wanted, rtol=1e-5, atol=1e-5 * size)
    squared, _ = quad(
        lambda d: density(d, deviation) * brute_force_score(d, deviation) ** 2,
        0,
        min(0.5, 12 * deviation),
        limit=200,
    )
    assert size == pytest.approx(np.sqrt(2 * squared), rel=1e-5)


def test_scores_keep_their_shape_where_their_size_is_too_small_for_a_number():
    places, owner = torch.linspace(-1, 1, 9)[:, None], torch.zeros(9, dtype=torch.long)
    assert score_size(torch.tensor([5.0])) == 0
    found = unit_score(places, torch.tensor([5.0]), owner)
    assert np.allclose(found, -np.sqrt(2) * np.sin(2 * np.pi * places.numpy()), atol=1e-5)


def test_signals_are_those_of_their_papers():
    ends = double(0, 1)
    assert np.allclose(cosine_signal(ends), [1, 0], atol=1e-12)
    half = 0.5 * 1.008 - 0.008  # where the cosine is of 45 degrees
    start = np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    assert float(cosine_signal(double(half))[0]) == pytest.approx(0.5 / start)
    for time in (0.0, 0.3, 1.0):
        noise, _ = quad(lambda at: 0.1 + 19.9 * at, 0, time)
        assert float(linear_signal(double(time))[0]) == pytest.approx(np.exp(-noise))
    times = double(0, 0.5, 1)
    assert np.allclose(geometric(times, 0.005, 0.5), [0.005, 0.05, 0.5])


def test_an_earlier_cell_has_the_mean_and_the_variance_of_its_time():
    now, then = double(0.2), double(0.6)
    zero, one, clean = double(0)[:, None], double(1)[:, None], double(3)[:, None]
    mean = earlier(now.sqrt()[:, None] * clean, clean, now, then, zero)
    assert float(mean[0, 0]) == pytest.approx(3 * np.sqrt(0.6))
    of_values, of_noise = (
        float(earlier(values, zero, now, then, noise)[0, 0])
        for values, noise in [(one, zero), (zero, one)]
    )
    assert of_values**2 * 0.8 + of_noise**2 == pytest.approx(0.4)
    assert float(earlier(one, clean, now, double(1), one)[0, 0]) == pytest.approx(3)


def made(kind, told=(), conditions=None, **options):
    """A fresh process of two crystals, these, and their batch."""
    table = StructureTable.from_pymatgen(
        [rutile(4.6, 2.95, "Ti", "O"), wurtzite(3.25, 5.2, "Zn", "O")]
    )
    crystals = crystals_of(table, conditions or {})
    torch.manual_seed(0)
    process = kind(kind.Options(**options), SMALL, told, statistics_of(crystals)).eval()
    return process, crystals, joined(crystals)


@pytest.mark.parametrize("kind", [Diffusion, Adapter])
def test_noised_crystals_are_led_back_to_an_image_of_themselves(kind):
    process, crystals, batch = made(kind, least=0.01, most=0.010001)
    noised = process.noised(crystals, batch, np.random.default_rng(0))
    sigma = process.deviation(batch, noised.time)[batch.owner, None]
    back = (noised.fractional + sigma * noised.scores).double().numpy()
    assert float(distance(crystals, noised.fractional.numpy())) > 0.01
    assert distance(crystals, back) < 1e-5


def distance(crystals, fractional):
    """Largest distance along an axis from the nearest image."""
    most, first = 0.0, 0
    for crystal in crystals:
        own = np.asarray(fractional[first : first + len(crystal.fractional)], dtype=np.float64)
        ways = displacements(own, crystal.fractional, crystal.groups, crystal.symmetries)
        most, first = max(most, np.abs(ways).max()), first + len(own)
    return most


@pytest.mark.parametrize("kind", [Diffusion, Adapter])
def test_a_sampler_that_is_told_exact_scores_makes_the_crystals(kind, monkeypatch):
    process, crystals, batch = made(kind, sampling_steps=25)
    clean = torch.tensor(np.array([crystal.cell for crystal in crystals]))

    def exact(batch, fractional, cell, time):
        random, ways = np.random.default_rng(0), []
        for own, crystal in zip(
            fractional.double().split(batch.counts.tolist()), crystals, strict=True
        ):
            ways.append(
                nearest_images(
                    own.numpy(), crystal.fractional, crystal.groups, crystal.symmetries, random
                )
            )
        ways = torch.tensor(np.concatenate(ways)).float()
        return unit_score(-ways, process.deviation(batch, time), batch.owner), clean

    monkeypatch.setattr(process, "forward", exact)
    fractional, cell = process.sample(batch, np.random.default_rng(0))
    assert distance(crystals, fractional.numpy()) < 1e-4
    assert np.allclose(cell, clean, atol=1e-5)


TC = {"tc": np.array([[0.5], [1.0]])}


def test_a_fresh_adapter_changes_nothing():
    process, _, batch = made(Adapter, ("tc",), TC, sampling_steps=3)
    with torch.no_grad():
        told, blind = (
            process.sample(each, np.random.default_rng(0)) for each in (batch, untold(batch))
        )
    assert all(torch.equal(one, other) for one, other in zip(told, blind, strict=True))


def test_the_base_learns_nothing_of_what_is_told():
    gradients = []
    for shift in (0.0, 1.0):
        process, crystals, batch = made(Adapter, ("tc",), TC)
        torch.nn.init.normal_(process.adapters[0].weight)
        batch.conditions["tc"].add_(shift)
        parts = process.loss(crystals, batch, np.random.default_rng(0))
        assert set(parts) == {"coordinates", "cell", "adapted_coordinates", "adapted_cell"}
        sum(parts.values()).backward()
        gradients.append({name: each.grad for name, each in process.named_parameters()})
    first, second = gradients
    changed = {name.split(".")[0] for name in first if not _equal(first[name], second[name])}
    assert changed == {"adapters", "conditioning"}


def _equal(first, second):
    return first is second or torch.equal(first, second)


def test_guidance_goes_from_the_base_through_what_is_told_and_beyond():
    answers = []
    for guidance in (0.0, 1.0, 2.0):
        process, crystals, batch = made(Adapter, ("tc",), TC, guidance=guidance)
        torch.nn.init.normal_(process.adapters[0].weight)
        fractional = torch.tensor(np.concatenate([each.fractional for each in crystals])).float()
        cell = torch.tensor(np.array([each.cell for each in crystals]))
        with torch.no_grad():
            answers.append(process.answered(batch, fractional, cell, torch.tensor([0.2, 0.7])))
            bare = process(untold(batch), fractional, cell, torch.tensor([0.2, 0.7]))
    for base, told, beyond, own in zip(*answers, bare, strict=True):
        assert torch.equal(base, own)
        assert not torch.allclose(told, base, atol=1e-3)
        assert torch.allclose(beyond, 2 * told - base, atol=1e-5)


def test_noise_must_grow():
    with pytest.raises(UserError, match=r"most must be above least, which is 0\.7"):
        checked(Diffusion.Options, {"least": 0.7}, "options of diffusion")


def test_guidance_is_chosen_when_a_trained_model_is_opened(tmp_path):
    settings = {"network": SMALL.model_dump(), "training": {"steps": 5}, "draws": 1}
    settings["options"] = {"sampling_steps": 3}
    fields = ("composition", "space_group")
    train("adapter", training(), out=tmp_path / "run", told=fields, settings=settings)
    asked = Told({"composition": [((22, 2), (8, 4))] * 2, "space_group": [136, 221]})

    def answers(nulls=(), **options):
        made = open_model(tmp_path / "run", nulls, options=options).predict(asked)
        return [crystal.bits_sha256() for crystal in made]

    assert answers(guidance=0) == answers(["space_group"])
    assert len({*answers(guidance=0), *answers(), *answers(guidance=3)}) == 6
    with pytest.raises(UserError, match="there is no setting 'guidence'; did you mean 'guidance'"):
        answers(guidence=2)
