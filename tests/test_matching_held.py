"""Arrays that kernels get as one address: read and written as the arrays themselves."""

from typing import NamedTuple

import numpy as np
import pytest

from matscale.matching.kernels.compiling import allocating, kernel
from matscale.matching.kernels.held import Held
from matscale.matching.kernels.periodic import columns_needed, fill_gap, lay_columns


class Some(NamedTuple):
    numbers: np.ndarray
    matrices: np.ndarray
    flags: np.ndarray
    small: np.ndarray


class Others(NamedTuple):
    numbers: np.ndarray


def some():
    rng = np.random.default_rng(0)
    return Some(
        rng.integers(-9, 9, (4, 7)), rng.normal(size=(3, 5, 2)), rng.random(6) < 0.5,
        rng.integers(0, 99, 5).astype(np.int16),
    )  # fmt: skip


@kernel
def _one_of_each(held, i, j, k, out):
    out[0] = held.numbers[i, j]
    out[1] = held.matrices[i, j, k]
    out[2] = held.flags[j]
    out[3] = held.small[k]
    out[4] = len(held.numbers) + 100 * held.matrices.shape[1]


@kernel
def _write(held, value):
    held.numbers[1, 2] = value
    row = held.matrices[2]
    row[4, 1] = value / 2
    held.flags[:] = True


@allocating
def _copies(held):
    return held.matrices.copy(), held.matrices[1], held.numbers.sum()


def test_kernels_read_every_element():
    arrays, out = some(), np.empty(5)
    held = Held(arrays)
    for i, j, k in ((0, 0, 0), (2, 4, 1), (1, 3, 0), (-1, -2, -1)):
        _one_of_each(held, i, j, k, out)
        expected = arrays.numbers[i, j], arrays.matrices[i, j, k], arrays.flags[j], arrays.small[k]
        assert out.tolist() == [*expected, 504]


def test_kernels_write_into_the_arrays_themselves():
    arrays = some()
    _write(Held(arrays), 8)
    assert arrays.numbers[1, 2] == 8
    assert arrays.matrices[2, 4, 1] == 4.0
    assert arrays.flags.all()


def test_functions_that_make_arrays_take_them_too():
    arrays = some()
    copy, part, total = _copies(Held(arrays))
    np.testing.assert_array_equal(copy, arrays.matrices)
    np.testing.assert_array_equal(part, arrays.matrices[1])
    assert total == arrays.numbers.sum()


def test_other_arrays_are_another_type():
    kinds = [Held(some()), Held(Others(np.zeros(3))), Held(Others(np.zeros(3, np.int64)))]
    assert len({held.numba_type for held in kinds}) == 3
    assert Held(some()).numba_type == kinds[0].numba_type


@pytest.mark.parametrize("array", [np.zeros((4, 6))[:, ::2], np.zeros((3, 2)).T])
def test_arrays_in_another_order_are_refused(array):
    with pytest.raises(ValueError, match="numbers is not in C order"):
        Held(Others(array))


def test_columns_start_at_whole_blocks_and_gaps_are_near_nothing():
    rng = np.random.default_rng(1)
    sites, codes = rng.random((20, 3)), rng.integers(0, 4, 20)
    order = np.argsort(codes, kind="stable")
    begins, columns = np.full(256, -1), np.zeros((3, columns_needed(20)))
    lay_columns(sites, order, codes, 20, begins, columns)
    filled = np.zeros(columns.shape[1], bool)
    for code in np.unique(codes):
        assert begins[code] % 8 == 0
        members = order[codes[order] == code]
        part = slice(begins[code], begins[code] + len(members))
        np.testing.assert_array_equal(columns[:, part], sites[members].T)
        filled[part] = True
    end = fill_gap(int(np.flatnonzero(filled)[-1]) + 1, columns)
    assert np.isnan(columns[:, :end][:, ~filled[:end]]).all()
