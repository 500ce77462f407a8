"""Flow matching in a latent space: what can be said of it without training it for long."""

import numpy as np
import torch

from crystals import rock_salt, training
from matscale.models.config import NetworkSettings
from matscale.models.crystals import batch_of, crystals_of, joined
from matscale.models.process import statistics_of
from matscale.models.processes.latent import Latent, LatentOptions
from matscale.structures.table import StructureTable

SMALL = NetworkSettings(width=16, layers=1, harmonics=1)


def process(crystals, told=(), **options):
    torch.manual_seed(0)
    return Latent(LatentOptions(**options), SMALL, told, statistics_of(crystals))


class Known(Latent):
    """A flow that knows the end of all paths."""

    def end(self, batch, z, before, time):
        return torch.full_like(z, 0.5)

    def decoded(self, batch, z):
        angles = 2 * torch.pi * z[len(batch) :, :3]
        return torch.stack([angles.sin(), angles.cos()], dim=2), z[: len(batch), :6]


def test_paths_end_where_they_should_and_circles_are_read_as_coordinates():
    crystals = crystals_of(training(), {})
    model = Known(LatentOptions(sampling_steps=3), SMALL, (), statistics_of(crystals))
    batch = batch_of([((1, 2), (8, 1)), ((6, 1),)], {})
    fractional, cell = model.sample(batch, np.random.default_rng(0))
    assert torch.allclose(fractional % 1, torch.full((4, 3), 0.5), atol=1e-5)
    assert torch.allclose(cell, torch.full((2, 6), 0.5), atol=1e-5)


def test_crystals_of_a_batch_know_nothing_of_each_other():
    crystals = crystals_of(training(), {})
    model = process(crystals)
    random = np.random.default_rng(0)
    both = joined(crystals[2:4])
    z = torch.tensor(random.normal(size=(2 + len(both.numbers), 8))).float()
    time = torch.tensor([0.3, 0.6])
    with torch.no_grad():
        together = model.end(both, z, torch.zeros_like(z), time)
        first = len(crystals[2].fractional)
        rows = [0, *range(2, 2 + first)]
        alone = model.end(joined(crystals[2:3]), z[rows], torch.zeros_like(z[rows]), time[:1])
    assert torch.allclose(together[rows], alone, atol=1e-5)


def test_a_cell_that_is_told_is_decoded():
    cells = np.random.default_rng(0).normal(size=(6, 6)) / 5
    crystals = crystals_of(training(), {"cell": cells})
    model = process(crystals, ("cell",), sampling_steps=2)
    batch = joined(crystals)
    with torch.no_grad():
        _, cell = model.sample(batch, np.random.default_rng(0))
    assert torch.equal(cell, batch.conditions["cell"])


def test_a_crystal_is_encoded_and_decoded():
    crystals = crystals_of(StructureTable.from_pymatgen([rock_salt(5.6, "Na", "Cl")] * 8), {})
    model = process(crystals, flow_weight=1e-6)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    random, batch = np.random.default_rng(0), joined(crystals)
    for _ in range(100):
        loss = sum(model.loss(crystals, batch, random).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    places = torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5]] * 8)
    cell = torch.tensor(np.array([crystal.cell for crystal in crystals]))
    with torch.no_grad():
        circles, decoded = model.decoded(batch, model.encoded(batch, places, cell)[0])
    angles = 2 * torch.pi * places
    assert (circles - torch.stack([angles.sin(), angles.cos()], dim=2)).abs().max() < 0.1
    assert (decoded - cell).abs().max() < 0.02
