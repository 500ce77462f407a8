"""Weighted sums of a periodic function over all translations of its grid, in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from matscale.matching.kernels.compiling import kernel

BLOCK = 32
"""Numbers that are added up at once: rows of sums are multiples of it long."""
LONGEST = 32
"""Points along the last axis beyond which copies of a grid do not fit into ``rolled``."""


@intrinsic
def _add_windows(typingctx: Any, values: Any, places: Any, weights: Any, sums: Any) -> Any:
    """``sums[x] += sum over g of weights[g] * values[places[g] + x]``, a block at a time.

    Written out so that a block of sums stays in registers: numba would store and read it again for
    each g. ``values`` must reach ``len(sums)`` beyond the last place.
    """
    signature = types.void(values, places, weights, sums)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        arrays = [
            make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        single, word = ir.FloatType(), ir.IntType(64)
        lanes = ir.VectorType(single, BLOCK // 2)
        count = builder.extract_value(arrays[1].shape, 0)
        length = builder.extract_value(arrays[3].shape, 0)
        halves = [cgutils.alloca_once(builder, lanes) for _ in range(2)]

        def at(array: Any, place: Any) -> Any:
            pointer = builder.gep(array.data, [place])
            return builder.bitcast(pointer, lanes.as_pointer())

        def half_of(place: Any, half: int) -> Any:
            return builder.add(place, word(half * BLOCK // 2))

        with cgutils.for_range(builder, builder.udiv(length, word(BLOCK))) as block:
            first = builder.mul(block.index, word(BLOCK))
            for half in range(2):
                now = builder.load(at(arrays[3], half_of(first, half)), align=4)
                builder.store(now, halves[half])
            with cgutils.for_range(builder, count) as term:
                place = builder.load(builder.gep(arrays[1].data, [term.index]))
                place = builder.add(place, first)
                weight = builder.load(builder.gep(arrays[2].data, [term.index]))
                vector = builder.insert_element(lanes(ir.Undefined), weight, ir.IntType(32)(0))
                zeros = ir.VectorType(ir.IntType(32), BLOCK // 2)(None)
                vector = builder.shuffle_vector(vector, lanes(ir.Undefined), zeros)
                for half in range(2):
                    value = builder.load(at(arrays[0], half_of(place, half)), align=4)
                    product = builder.fmul(value, vector, flags=("contract",))
                    total = builder.fadd(builder.load(halves[half]), product, flags=("contract",))
                    builder.store(total, halves[half])
            for half in range(2):
                target = at(arrays[3], half_of(first, half))
                builder.store(builder.load(halves[half]), target, align=4)
        return context.get_dummy_value()

    return signature, generate


add_windows: Any = _add_windows


@kernel
def row_length(sizes):
    """Length of a plane of sums, with what fills it up; ``sizes`` are the grid's, (3,) int64."""
    return (sizes[1] * sizes[2] + BLOCK - 1) // BLOCK * BLOCK


@kernel
def _turn(ahead, behind, last, limit, out):
    """``out`` = what lies ahead in the same row, or behind where the row ends before that."""
    for k in range(len(out)):
        x, y = ahead[k], behind[k]
        out[k] = x if last[k] < limit else y


@kernel
def _copy(source, target):
    for k in range(len(source)):
        target[k] = source[k]


@kernel
def _roll(sizes, values, last, rolled):
    """Copies of a grid's planes, one for each shift along the last axis, twice along the second.

    Args:
        sizes: Points along the axes, (3,) int64.
        values: On the grid, after and before as many numbers as the last axis has points.
        last: Fractional coordinate of each point along the last axis.
        rolled: Receives the copies.
    """
    n_0, n_2 = sizes[0], sizes[2]
    plane, row = sizes[1] * n_2, row_length(sizes)
    start = 0
    for c in range(n_2):
        limit = np.float32((n_2 - c - 0.5) / n_2)
        for i in range(n_0):
            ahead, behind = n_2 + i * plane + c, i * plane + c
            out = rolled[start : start + row]
            _turn(
                values[ahead : ahead + row], values[behind : behind + row],
                last[i * plane : i * plane + row], limit, out,
            )  # fmt: skip
            _copy(out, rolled[start + plane : start + plane + row])
            start += plane + row


@kernel
def _list_terms(sizes, weights, starts, places, nonzero):
    """The weights that are not 0, where their windows begin in a plane, and where planes begin."""
    n_0, n_1, n_2 = sizes[0], sizes[1], sizes[2]
    copies = n_0 * (n_1 * n_2 + row_length(sizes))
    count = point = 0
    for a in range(n_0):
        starts[a] = count
        for b in range(n_1):
            for c in range(n_2):
                nonzero[count], places[count] = weights[point], c * copies + b * n_2
                count += weights[point] != 0
                point += 1
    starts[n_0] = count


@kernel
def correlate(sizes, values, last, weights, copied, space, sums):
    """``sums[t]`` = sum over g of ``weights[g] values[t + g]``, on a periodic grid.

    Args:
        sizes: Points along the axes, (3,) int64, the last at most LONGEST.
        values: As for :func:`_roll`.
        last: Likewise.
        weights: On the grid.
        copied: Whether ``rolled`` holds copies of these values.
        space: Workspace; ``rolled`` receives them, ``places`` and ``nonzero`` are scratch.
        sums: Receives the sums, plane by plane, each :func:`row_length` apart.
    """
    n_0, plane, row = sizes[0], sizes[1] * sizes[2], row_length(sizes)
    starts, places, nonzero = space.tally[5], space.places, space.nonzero
    if not copied:
        _roll(sizes, values, last, space.rolled)
    _list_terms(sizes, weights, starts, places, nonzero)
    for k in range(n_0 * row):
        sums[k] = 0.0
    for i in range(n_0):
        out = sums[i * row : (i + 1) * row]
        for a in range(n_0):
            first, stop = starts[a], starts[a + 1]
            if first == stop:
                continue
            p = i + a if i + a < n_0 else i + a - n_0
            add_windows(
                space.rolled[p * (plane + row) :], places[first:stop], nonzero[first:stop], out
            )
