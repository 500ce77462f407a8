"""Earth mover's distances are those of the package, whole number by whole number."""

import amd
import numpy as np
import pytest

from matscale.metrics import transport
from matscale.metrics.transport import earth_movers_distance


def distribution(generator: np.random.Generator, rows: int, columns: int, decimals: int):
    """Weights that are multiples of one, or any; distances that repeat where decimals are few."""
    parts = generator.integers(1, 4, rows) if decimals < 5 else generator.random(rows) + 1e-3
    distances = np.sort(generator.random((rows, columns)) * 5, axis=1)
    return np.column_stack([parts / parts.sum(), np.round(distances, decimals)])


@pytest.mark.parametrize("seed", range(40))
def test_distances_are_the_packages(seed):
    generator = np.random.default_rng(seed)
    for most in (4, 12, 40):
        columns, decimals = int(generator.integers(1, 9)), int(generator.integers(1, 9))
        first, second = (
            distribution(generator, int(generator.integers(1, most)), columns, decimals)
            for _ in range(2)
        )
        expected = float(amd.EMD(first, second))
        assert earth_movers_distance(first, second) == pytest.approx(expected, rel=1e-14, abs=0)
        assert earth_movers_distance(first, first) == 0


def test_thirds_against_a_whole():
    """A third is 33,333,333 units: one unit of the whole fits nowhere, here as there."""
    first = np.array([[1 / 3, 1.0], [1 / 3, 2.0], [1 / 3, 4.0]])
    second = np.array([[1.0, 1.0]])
    distance = earth_movers_distance(first, second)
    assert distance == float(amd.EMD(first, second))
    assert distance == pytest.approx((0 + 1 + 3) / 3, abs=1e-7)


def test_large_distributions_are_the_packages(monkeypatch):
    generator = np.random.default_rng(0)
    first, second = (distribution(generator, 9, 3, 3) for _ in range(2))
    expected = earth_movers_distance(first, second)
    monkeypatch.setattr(transport, "LARGEST", 17)
    assert earth_movers_distance(first, second) == pytest.approx(expected, rel=1e-14)
