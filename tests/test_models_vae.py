"""The autoencoder: its divergence, its dynamics with many and with one noise level, its control."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch.distributions import Independent, Normal, kl_divergence

import matscale as ms
from crystals import held_out, training
from matscale.models import cells
from matscale.models.config import NetworkSettings
from matscale.models.crystals import batch_of, crystals_of, joined
from matscale.models.entry import train
from matscale.models.gaussians import divergence, drawn
from matscale.models.posterior import posterior_model
from matscale.models.process import statistics_of
from matscale.models.processes.vae import Vae, VaeOptions
from matscale.predictors.predictor import Told
from matscale.predictors.training import crystal_fields
from matscale.runtime.errors import UserError

SMALL = NetworkSettings(width=16, layers=1, harmonics=1)
QUICK = {
    "network": {"width": 16, "layers": 1, "harmonics": 1},
    "training": {"steps": 40, "batch": 4, "check_every": 20},
}


def test_the_divergence_is_that_of_torch():
    torch.manual_seed(0)
    mean, log, other_mean, other_log = torch.randn(4, 5, 3)
    first, second = (
        Independent(Normal(centre, (variance / 2).exp()), 1)
        for centre, variance in ((mean, log), (other_mean, other_log))
    )
    ours = divergence(mean, log, other_mean, other_log)
    assert torch.allclose(ours, kl_divergence(first, second), atol=1e-5)
    assert torch.allclose(divergence(mean, log, mean, log), torch.zeros(5), atol=1e-6)


def test_draws_have_the_mean_and_variance_that_they_should():
    mean, log = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -2.0]])
    z = drawn(mean.expand(20000, -1), log.expand(20000, -1), np.random.default_rng(0))
    assert torch.allclose(z.mean(dim=0), mean[0], atol=0.03)
    assert torch.allclose(z.var(dim=0).log(), log[0], atol=0.03)


class Oracle(Vae):
    """A decoder that knows the crystal: all atoms belong into the origin."""

    def ways(self, batch, fractional, cell, z, sigma):
        return fractional.round() - fractional


def coordinates(kind, **options):
    """What dynamics make of 600 atoms, and the lattices."""
    torch.manual_seed(0)
    statistics = statistics_of(crystals_of(training(), {}))
    process = kind(VaeOptions(**options), SMALL, (), statistics).eval()
    batch = batch_of([((8, 3),)] * 200, {})
    with torch.no_grad():
        fractional, cell = process.sample(batch, np.random.default_rng(0))
    return fractional.double(), cells.decode(cell, batch.counts)[batch.owner]


def uniform_probability(fractional):
    return kstest((fractional % 1).flatten().numpy(), "uniform").pvalue


@pytest.mark.parametrize(("steps", "step_size", "share"), [(2, 1e-4, 1.0), (40, 1e-5, 0.1)])
def test_many_noise_levels_lead_to_the_crystal(steps, step_size, share):
    fractional, lattices = coordinates(Oracle, langevin_steps=steps, step_size=step_size)
    assert uniform_probability(fractional) < 1e-6
    off = (fractional - fractional.round())[:, None] @ lattices
    # x <- (1 - s) x + sqrt(2 s) sigma n has the variance 2 sigma^2 / (2 - s) in the end.
    assert off.std() == pytest.approx(0.01 * (2 / (2 - share)) ** 0.5, rel=0.1)


@pytest.mark.parametrize("kind", [Oracle, Vae])
def test_one_noise_level_leaves_coordinates_where_they_were_drawn(kind):
    """AtomBench's runs with num_noise_level=1: even a decoder that knows everything cannot help."""
    fractional, _ = coordinates(kind, noise_levels=1, langevin_steps=100)
    assert uniform_probability(fractional) > 0.05


def test_levels_are_those_of_the_paper():
    process = Vae(VaeOptions(), SMALL, (), statistics_of(crystals_of(training(), {}))).eval()
    levels = process.levels()
    assert len(levels) == 50
    assert levels[[0, -1]] == pytest.approx([10, 0.01])
    assert np.ptp(levels[1:] / levels[:-1]) < 1e-9


def test_levels_that_rise_are_refused(tmp_path):
    settings = QUICK | {"options": {"largest": 0.1, "smallest": 1.0}}
    with pytest.raises(UserError, match=r"options of vae.*the smallest noise, 1\.0 Å, is larger"):
        train("vae", training(), out=tmp_path / "run", settings=settings)


def test_the_encoder_sees_no_origin_and_no_order_of_equal_atoms():
    crystals = crystals_of(training(), {})
    torch.manual_seed(0)
    process = Vae(VaeOptions(), SMALL, (), statistics_of(crystals)).eval()
    batch = joined(crystals[5:])  # GaN: two atoms of each
    cell = torch.tensor(crystals[5].cell[None])
    places = torch.tensor(crystals[5].fractional).float()
    moved = (places + torch.tensor([0.3, 0.8, 0.1]))[[1, 0, 2, 3]]
    for one, other in zip(
        process.posterior(batch, places, cell), process.posterior(batch, moved, cell), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-4)


def answers(model, table):
    fields = [crystal_fields(table, row, model.told, {}) for row in range(len(table))]
    return [each.bits_sha256() for each in model.predict(Told.of(fields, model.told))]


def test_the_posterior_sees_the_answer_and_says_so(tmp_path):
    settings = QUICK | {"draws": 1, "options": {"noise_levels": 5}}
    model = train("vae", training(), out=tmp_path / "run", settings=settings)
    posterior = posterior_model(tmp_path / "run")
    assert posterior.told == ("composition", "cell", "positions")
    assert posterior.name == "run_posterior"
    table = held_out()
    stretched = type(table)(
        table.ids, table.offsets, table.numbers, 1.2 * table.positions, 1.2 * table.lattices
    )
    assert answers(model, table) == answers(model, stretched)
    assert answers(posterior, table) == answers(posterior, table)
    assert all(
        one != other
        for one, other in zip(answers(posterior, table), answers(posterior, stretched), strict=True)
    )
    card = ms.score(
        "reconstruction", [model, posterior], train=training(), targets=table, protocol="sound"
    )
    marks = [card[each.name].predictor.told_the_answer for each in (model, posterior)]
    assert marks == [False, True]


def test_other_models_have_no_posterior(tmp_path):
    train("flow", training(), out=tmp_path / "run", settings=QUICK)
    with pytest.raises(UserError, match="is of the process flow, which encodes no crystal"):
        posterior_model(tmp_path / "run")
