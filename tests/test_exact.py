"""What decides and what is written is the same whatever the last bits are."""

import json
import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscale.runtime.exact import PRECISION, coarse, in_basis, settled, stored
from matscale.structures.table import StructureTable

written = st.integers(-9_999_999, 9_999_999).flatmap(
    lambda digits: st.integers(0, 7).map(lambda decimals: digits / 10**decimals)
)
"""Numbers as people write them, of up to seven digits."""
shares = st.integers(1, 1000).flatmap(
    lambda n: st.integers(-50 * n, 50 * n).map(lambda count: count / n)
)


def neighbours(value: float) -> list[float]:
    return [math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)]


@given(st.one_of(written, shares))
def test_the_last_bit_changes_nothing(value):
    # Of zero there is no size to be coarse by.
    for function in (settled, stored, *([coarse] if value else [])):
        assert len({float(function(one)) for one in neighbours(value)}) == 1


@given(st.floats(-1e6, 1e6))
def test_little_is_lost(value):
    assert abs(settled(value) - value) <= PRECISION / 2
    assert coarse(value) == pytest.approx(value, rel=3e-10, abs=1e-300)
    assert stored(value) == pytest.approx(value, rel=6e-8, abs=1e-9)


def test_an_edge_of_decimals_is_none_here():
    # Half a step of the eighth digit: printed, its neighbours differ.
    below, _, above = neighbours(0.373347205)
    assert f"{below:.8g}" != f"{above:.8g}"
    assert stored(below) == stored(above)


@pytest.mark.parametrize("function", [settled, coarse, stored])
def test_zero_has_no_sign_and_nan_stays(function):
    assert math.copysign(1, function(-0.0)) == math.copysign(1, function(-1e-300 * 0)) == 1
    assert math.isnan(function(math.nan)) and function(math.inf) == math.inf


def test_what_is_no_float_stays():
    content = {"a": [1, True, None, "1.23456789012", (0.1 + 0.2,)], "b": {"c": 1e-17, "d": 10**20}}
    assert stored(content) == {
        "a": [1, True, None, "1.23456789012", [0.3]], "b": {"c": 0.0, "d": 10**20},
    }  # fmt: skip
    assert json.dumps(stored(2 / 3)) == "0.66666667"


@given(st.integers(0, 2**32 - 1))
def test_combinations_are_those_of_a_matrix_product(seed):
    rng = np.random.default_rng(seed)
    points, cells = rng.normal(size=(7, 3)), rng.normal(size=(7, 3, 3))
    np.testing.assert_allclose(in_basis(points, cells[0]), points @ cells[0], atol=1e-13)
    each = np.einsum("ni,nij->nj", points, cells)
    np.testing.assert_allclose(in_basis(points, cells), each, atol=1e-13)


@given(st.permutations([0.1, 0.2, 0.3, 0.7, 1.1]))
def test_sums_in_any_order_tie(values):
    sums = [sum(order) for order in permutations(values)]
    assert int(settled(sums).argmin()) == 0


def test_a_hash_sees_a_crystal_and_not_its_rounding():
    def table(z: float, band_gap: float) -> StructureTable:
        return StructureTable.from_parts(
            ["a"], [np.array([6])], [np.array([[0.0, 1 / 3, z]])], [np.eye(3)],
            {"band_gap": np.array([band_gap])},
        )  # fmt: skip

    one, other = table(0.0, 0.3), table(-1e-17, 0.1 + 0.2)
    assert one.sha256() == other.sha256()
    assert one.bits_sha256() != other.bits_sha256()
    assert one.sha256() != table(1e-5, 0.3).sha256() != table(0.0, 0.3000001).sha256()
