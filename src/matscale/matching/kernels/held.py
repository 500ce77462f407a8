"""Named tuples of arrays that kernels receive as one address.

Numba copies every array of a tuple, seven numbers for a matrix, at each call that is not inlined:
with some fifty arrays that took a quarter of the time of a search. An arrangement of arrays made
here is passed as the address of a table of their data and shapes; in a kernel its arrays are read
as those of the tuple are. They must stay where they are while kernels use them, and be in C order.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import OpaqueModel
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import as_dtype, from_dtype

Arrays = TypeVar("Arrays", bound=NamedTuple)


class HeldType(types.Type):
    """What numba knows of the arrays: of each its name, its type and its place in the table."""

    def __init__(self, name: str, arrays: tuple[tuple[str, types.Array, int], ...]) -> None:
        self.arrays = {field: (array, word) for field, array, word in arrays}
        # Names of functions contain those of their arguments: a short one keeps them short.
        digest = hashlib.sha256(repr(arrays).encode()).hexdigest()[:12]
        super().__init__(name=f"Held({name}, {digest})")


class Held(Generic[Arrays]):
    """Arrays for kernels, kept alive as long as this object.

    Args:
        arrays: A named tuple of arrays in C order.

    Attributes:
        arrays: The same.
        address: Of the table that kernels read.
        numba_type: What numba takes the object for.

    Raises:
        ValueError: If an array is not in C order, or not aligned.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        words: list[int] = []
        for name, array in zip(arrays._fields, arrays, strict=True):
            if not (array.flags.c_contiguous and array.flags.aligned):
                raise ValueError(f"{name} is not in C order, or not aligned")
            words += [array.ctypes.data, *array.shape]
        self._table = np.array(words, np.int64)
        self.address = self._table.ctypes.data
        kinds = tuple((array.dtype, array.ndim) for array in arrays)
        self.numba_type = _held_type(type(arrays).__name__, arrays._fields, kinds)


@cache
def _held_type(
    name: str, fields: tuple[str, ...], kinds: tuple[tuple[np.dtype, int], ...]
) -> HeldType:
    arrays, word = [], 0
    for field, (dtype, dimensions) in zip(fields, kinds, strict=True):
        arrays.append((field, types.Array(from_dtype(dtype), dimensions, "C"), word))
        word += 1 + dimensions
    return HeldType(name, tuple(arrays))


register_model(HeldType)(OpaqueModel)


@typeof_impl.register(Held)
def _type_of(held: Held, _: Any) -> HeldType:
    return held.numba_type


@unbox(HeldType)
def _unbox(_: HeldType, held: Any, context: Any) -> NativeValue:
    number = context.pyapi.object_getattr_string(held, "address")
    address = context.pyapi.long_as_voidptr(number)
    context.pyapi.decref(number)
    return NativeValue(address, is_error=context.pyapi.c_api_error())


@infer_getattr
class _Fields(AttributeTemplate):
    key = HeldType

    # numba declares it as a constant that says it is missing.
    def generic_resolve(self, held: Any, name: str) -> Any:  # type: ignore[override]
        return held.arrays[name][0] if name in held.arrays else None


@lower_getattr_generic(HeldType)
def _field(context: Any, builder: Any, held: HeldType, address: Any, name: str) -> Any:
    """An array as numba has it, from its place in the table."""
    kind, first_word = held.arrays[name]
    word = ir.IntType(64)
    table = builder.bitcast(address, word.as_pointer())
    # The table never changes: so LLVM may keep what it has read in spite of stores elsewhere.
    constant = builder.module.add_metadata([])

    def read(offset: int) -> Any:
        value = builder.load(cgutils.gep_inbounds(builder, table, first_word + offset))
        value.set_metadata("invariant.load", constant)
        return value

    array = make_array(kind)(context, builder)
    itemsize = as_dtype(kind.dtype).itemsize
    shape = [read(1 + axis) for axis in range(kind.ndim)]
    strides = [word(itemsize)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    populate_array(
        array,
        data=builder.inttoptr(read(0), array.data.type),
        shape=shape,
        strides=strides,
        itemsize=word(itemsize),
        meminfo=None,
    )
    return array._getvalue()
