"""Crystals as tokens: what is written can be read, and whatever is written is a crystal."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice

from crystals import rock_salt, training
from matscale.models import cells, number_tokens
from matscale.models.config import NetworkSettings
from matscale.models.crystals import batch_of, crystals_of, described, joined
from matscale.models.process import statistics_of
from matscale.models.processes.tokens import Tokens, TokensOptions
from matscale.models.transformer import Transformer
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable

SMALL = NetworkSettings(width=16, layers=1)


def writer(table=None, told=(), temperature=1.0, network=SMALL):
    crystals = crystals_of(training() if table is None else table, {})
    torch.manual_seed(0)
    options = TokensOptions(temperature=temperature)
    return Tokens(options, network, told, statistics_of(crystals)), crystals


def test_coordinates_come_back_and_those_of_special_sites_exactly():
    random = np.random.default_rng(0)
    fractional = torch.tensor(random.random((1000, 3)) * 3 - 1)
    tokens = number_tokens.digits(number_tokens.coordinate_levels(fractional))
    assert tokens.min() >= 0
    assert tokens.max() < number_tokens.BASE
    off = number_tokens.coordinates(number_tokens.levels(tokens)) - fractional
    assert (off - off.round()).abs().max() <= 0.5 / 576 + 1e-9
    special = torch.tensor([0, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 7 / 8, -1e-9])
    tokens = number_tokens.digits(number_tokens.coordinate_levels(special))
    assert tokens[:, 1].tolist() == [0] * 9
    assert tokens[:, 0].tolist() == [0, 3, 4, 6, 8, 12, 16, 21, 0]


def test_cells_come_back_and_are_those_that_pymatgen_makes_of_the_parameters():
    random = np.random.default_rng(0)
    lengths, angles = random.uniform(2, 20, (50, 3)), random.uniform(60, 120, (50, 3))
    angles[:, 2] = 90
    theirs = [Lattice.from_parameters(*row) for row in np.hstack([lengths, angles])]
    units = torch.tensor(random.uniform(4, 6, 50))
    steps = number_tokens.cell_levels(torch.tensor(np.array([x.matrix for x in theirs])), units)
    tokens = number_tokens.digits(steps)
    read = number_tokens.lattices(number_tokens.levels(tokens), units).numpy()
    again = [Lattice(matrix) for matrix in read]
    ratios = np.array([x.lengths for x in again]) / lengths
    assert np.abs(np.log(ratios)).max() <= 0.5 / 160 + 1e-9
    assert np.abs(np.array([x.angles for x in again]) - angles).max() <= 1 / 16 + 1e-6
    assert np.allclose(np.array([x.angles for x in again])[:, 2], 90)


def test_any_two_angles_have_a_third_and_reduced_cells_are_among_those_allowed():
    some = torch.tensor([*range(0, 576, 25), 575])
    first, second = torch.cartesian_prod(some, some).T
    allowed = number_tokens.last_angles(first, second)
    assert allowed.any(dim=1).all()
    angle = {degrees: int((degrees - 54) * 8) for degrees in (60, 90, 120)}
    for a, b, c in [(90, 90, 90), (90, 90, 120), (60, 60, 60), (120, 120, 90), (60, 60, 90)]:
        one = number_tokens.last_angles(torch.tensor([angle[a]]), torch.tensor([angle[b]]))
        assert one[0, angle[c]]
    flat = number_tokens.last_angles(torch.tensor([angle[120]]), torch.tensor([angle[120]]))
    assert not flat[0, angle[120]]


def test_whatever_is_written_is_a_crystal_with_its_atoms():
    model, _ = writer(temperature=100.0)  # every token about as likely as any other
    compositions = [((1, 1),), ((3, 2), (8, 1)), ((6, 7), (92, 5))] * 100
    batch = batch_of(compositions, {})
    with torch.no_grad():
        fractional, cell = model.sample(batch, np.random.default_rng(0))
    assert fractional.shape == (len(batch.numbers), 3)
    assert ((fractional >= 0) & (fractional < 1)).all()
    lattices = cells.decode(cell, batch.counts)
    flatness = (torch.linalg.det(lattices) / lattices.norm(dim=2).prod(dim=1)) ** 2
    assert flatness.min() > 0.3 - 1e-5
    assert flatness.max() < 1 + 1e-5
    assert len(np.unique((fractional.numpy() * 576).round())) == 576


def test_a_cell_that_is_told_is_written():
    crystals = crystals_of(training(), {"cell": np.random.default_rng(0).normal(size=(6, 6)) / 5})
    model = Tokens(TokensOptions(), SMALL, ("cell",), statistics_of(crystals))
    batch = joined(crystals)
    with torch.no_grad():
        _, cell = model.sample(batch, np.random.default_rng(0))
    assert torch.equal(cell, batch.conditions["cell"])


def test_what_is_written_token_by_token_is_what_is_learnt_at_once():
    torch.manual_seed(0)
    model, length = Transformer(16, 2), 7
    places = torch.randn(2, length, 16)
    valid = torch.ones(2, length, dtype=torch.bool)
    valid[1, 2] = False  # the second has a prefix of two places, the first one of three
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    seen[:3, :3] = True
    seen = seen & valid[:, None]
    with torch.no_grad():
        whole = model(places, valid, seen)
        memory = model.memory()
        parts = [model(places[:, :3], valid[:, :3], seen[:, :3, :3], memory)]
        for at in range(3, length):
            one = slice(at, at + 1)
            parts.append(model(places[:, one], valid[:, one], seen[:, one, : at + 1], memory))
        alone = [k for k in range(length) if k != 2]
        short = model(places[1:, alone], valid[1:, alone], seen[1:, alone][:, :, alone])
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)
    assert torch.allclose(short[0], whole[1, alone], atol=1e-5)


def test_no_loss_of_a_crystal_hangs_on_the_others_of_its_batch():
    model, crystals = writer()
    longest = max(crystals, key=lambda crystal: len(crystal.fractional))
    both, alone = [crystals[0], longest], [crystals[0]]
    with torch.no_grad():
        losses = [
            {name: float(part) for name, part in model.loss(own, joined(own), _zeros()).items()}
            for own in (both, alone, [longest])
        ]
    tokens = [12 + 6 * (len(own[0].fractional) - 1) for own in (alone, [longest])]
    for name, whole in losses[0].items():
        parts = [size * own[name] for size, own in zip(tokens, losses[1:], strict=True)]
        assert whole == pytest.approx(sum(parts) / sum(tokens), rel=1e-5)


def _zeros():
    """Draws that leave each crystal in its first setting."""

    class Zeros(np.random.Generator):
        def integers(self, *_, **__):
            return 0

        def permutation(self, x, *_, **__):
            return np.arange(x)

    return Zeros(np.random.PCG64(0))


def test_settings_of_a_crystal_are_the_same_crystal():
    crystal = crystals_of(training(), {})[3]
    random = np.random.default_rng(0)
    seen = [described(crystal, random) for _ in range(20)]
    assert len({np.round(image % 1, 6).tobytes() for image in seen}) > 1
    ours = [_distances(image, crystal.lattice) for image in [crystal.fractional, *seen]]
    assert all(np.allclose(ours[0], other) for other in ours)
    assert all((image[0] == 0).all() for image in seen)


def _distances(fractional, lattice):
    difference = Lattice(lattice).get_all_distances(fractional, fractional)
    return np.sort(difference[np.triu_indices(len(fractional), 1)])


def test_a_crystal_is_learnt_by_heart():
    table = StructureTable.from_pymatgen([rock_salt(5.6, "Na", "Cl")] * 2)
    model, crystals = writer(table)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    random = np.random.default_rng(0)
    for _ in range(100):
        loss = sum(model.loss(crystals, joined(crystals), random).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1
    with torch.no_grad():
        fractional, cell = model.sample(joined(crystals), np.random.default_rng(0))
    assert fractional.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5]] * 2
    assert torch.allclose(cell[:, 0].exp(), torch.tensor(5.6**3 / 8), rtol=0.01)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(UserError, match=r"network.width: give a multiple of 4; it is 18"):
        writer(network=NetworkSettings(width=18, layers=1))
