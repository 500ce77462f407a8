"""What a pickle says, read as text: nothing of it is ever called, imported or made.

A pickle is a program for a small stack machine whose instructions may call any function of any
module. This reads the instructions and carries out those that build plain containers, texts and
numbers. A class or function that is named becomes a :class:`Named`; calling one gives a
:class:`Foreign` that holds nothing, unless it is among the few that :data:`CALLS` describes, which
are functions of this file. Setting the state of a foreign object does nothing.

``torch.load(weights_only=True)`` does alike and refuses a whole file for one unknown class; the
results of CDVAE and DiffCSP hold such classes beside the tensors.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np

MOST_STEPS = 64_000_000
"""Instructions of one pickle; one byte of an instruction may make an object of 60."""

MOST_ARGUMENTS = 16
"""Arguments of a call that is looked at: tensors take 7."""

MOST_PLACES = 1 << 32
"""Places of the memo; larger ones are only there to collide."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A class or function that a pickle names; it is not looked up.

    Attributes:
        name: Module and name, with a dot between.
    """

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """An object that is not made, and what its class or function is called."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A storage of torch: the values that tensors are views of.

    Attributes:
        key: Under which name the file holds it.
        kind: Such as ``torch.FloatStorage``.
    """

    key: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor of torch before its values are looked at: a view of a storage, in values."""

    storage: Stored
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Array:
    """An array of numpy before its values are looked at; ``state`` is () until it is set."""

    state: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Bytes that a pickle holds as a text of as many characters, as older protocols do."""

    text: str


@dataclass(slots=True, eq=False)
class Kind:
    """A dtype of numpy, such as ``f8``; its state says the byte order."""

    code: str
    order: str = "<"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype itself."""
        return np.dtype(self.order.replace("|", "<") + self.code)


def read(stream: IO[bytes], storages: dict[str, Stored] | None = None) -> Any:
    """What one pickle in a stream describes; the stream then stands behind it.

    Args:
        stream: The pickle, and what follows it.
        storages: Takes every storage of torch that is named, by its key.

    Returns:
        Plain containers, texts, numbers, :class:`Tensor`, :class:`Array`, and :class:`Foreign`
        for everything else.

    Raises:
        ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError: If it is broken.
        OverflowError: If it has too many instructions.
    """
    machine = _Machine({} if storages is None else storages)
    for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if step > MOST_STEPS:
            raise OverflowError(f"a pickle of over {MOST_STEPS} instructions")
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.do(opcode.name, argument)
    raise EOFError("a pickle that ends early")


class _Machine:
    """The stack of a pickle."""

    def __init__(self, storages: dict[str, Stored]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _VALUES:
            self.stack.append(_VALUES[name]() if argument is None else argument)
        elif name in _PUTS:
            key = len(self.memo) if argument is None else argument
            if key > MOST_PLACES:
                raise OverflowError(f"place {key} of the memo")
            self.memo[key] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        else:
            _ACTIONS[name](self, argument)

    def since_mark(self) -> list[Any]:
        """What was put on the stack since the last mark, taken off it."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def call(self, called: Any, arguments: Any) -> Any:
        """What a call stands for; a foreign object unless the function is known here."""
        name = called.name if isinstance(called, Named | Foreign) else type(called).__name__
        known = CALLS.get(name) if isinstance(called, Named) else None
        if known is None or type(arguments) is not tuple or len(arguments) > MOST_ARGUMENTS:
            return Foreign(name)
        return known(*arguments)


def _set_mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _taken(count: int) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        if len(machine.stack) < count:
            raise IndexError("a tuple of more than is there")
        start = len(machine.stack) - count
        machine.stack[start:] = [tuple(machine.stack[start:])]

    return act


def _tuple(machine: _Machine, _: Any) -> None:
    items = tuple(machine.since_mark())
    machine.stack.append(items)


def _list(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    machine.stack.append(items)


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    made: dict[Any, Any] = {}
    _fill(made, items)
    machine.stack.append(made)


def _fill(holder: Any, items: list[Any]) -> None:
    """Put keys and values into a dictionary; a foreign holder keeps nothing.

    Keys that are not text are left out: what is looked for has a name, and to hash a tuple in a
    tuple in a tuple could exhaust the stack.
    """
    if type(holder) is dict:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, str):
                holder[key] = value


def _append(machine: _Machine, _: Any) -> None:
    value = machine.stack.pop()
    if type(machine.stack[-1]) is list:
        machine.stack[-1].append(value)


def _appends(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    if type(machine.stack[-1]) is list:
        machine.stack[-1].extend(items)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _fill(machine.stack[-1], [key, value])


def _set_items(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    _fill(machine.stack[-1], items)


def _drop(machine: _Machine, _: Any) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _drop_since_mark(machine: _Machine, _: Any) -> None:
    machine.since_mark()


def _frozen_set(machine: _Machine, _: Any) -> None:
    machine.since_mark()
    machine.stack.append(Foreign("builtins.frozenset"))


def _named(machine: _Machine, argument: str) -> None:
    machine.stack.append(Named(argument.replace(" ", ".", 1)))


def _named_on_stack(machine: _Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError("a name that is not text")
    machine.stack.append(Named(f"{module}.{name}"))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.call(called, arguments))


def _new_object(machine: _Machine, _: Any) -> None:
    machine.stack.pop()
    machine.stack.append(_instance(machine.stack.pop()))


def _new_object_with_names(machine: _Machine, _: Any) -> None:
    machine.stack.pop()
    _new_object(machine, _)


def _instance(made_of: Any) -> Foreign:
    return Foreign(made_of.name if isinstance(made_of, Named) else type(made_of).__name__)


def _object(machine: _Machine, _: Any) -> None:
    machine.stack.append(_instance(machine.since_mark()[0]))


def _old_instance(machine: _Machine, argument: str) -> None:
    machine.since_mark()
    machine.stack.append(Foreign(argument.replace(" ", ".", 1)))


def _build(machine: _Machine, _: Any) -> None:
    state, built = machine.stack.pop(), machine.stack[-1]
    if isinstance(built, Array):
        built.state = state if type(state) is tuple else ()
    elif isinstance(built, Kind) and type(state) is tuple and state[1] in ("<", ">", "|"):
        built.order = state[1]


def _stored(machine: _Machine, _: Any) -> None:
    """A persistent id: ``("storage", class, key, device, values, ...)``."""
    name = machine.stack.pop()
    if not isinstance(name, tuple) or name[:1] != ("storage",) or len(name) < 5:
        machine.stack.append(Foreign("a persistent object"))
        return
    if not isinstance(name[1], Named) or not isinstance(name[2], str):
        raise ValueError("a storage without class or key")
    stored = Stored(name[2], name[1].name)
    machine.storages.setdefault(stored.key, stored)
    machine.stack.append(stored)


def _nothing(machine: _Machine, argument: Any) -> None:
    """Instructions that only say how the pickle is written."""


def _missing() -> Any:
    raise ValueError("a pickle instruction without its value")


_VALUES: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: Foreign("builtins.set"),
    **dict.fromkeys(
        (
            "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
            "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
            "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
        ),
        _missing,
    ),
}  # fmt: skip
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    "MARK": _set_mark,
    "POP": _drop,
    "POP_MARK": _drop_since_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": _tuple,
    "TUPLE1": _taken(1),
    "TUPLE2": _taken(2),
    "TUPLE3": _taken(3),
    "LIST": _list,
    "DICT": _dict,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "ADDITEMS": _drop_since_mark,
    "FROZENSET": _frozen_set,
    "GLOBAL": _named,
    "STACK_GLOBAL": _named_on_stack,
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "NEWOBJ_EX": _new_object_with_names,
    "OBJ": _object,
    "INST": _old_instance,
    "BUILD": _build,
    "BINPERSID": _stored,
}
"""What instructions do; one that is not here, such as of a registered extension, ends reading."""


# --- what may be called --------------------------------------------------------------------


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """``torch._utils._rebuild_tensor_v2``: a view of a storage."""
    if not isinstance(storage, Stored):
        raise ValueError("a tensor that is not a view of a storage")
    numbers = (offset, *shape, *strides)
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
        raise ValueError("a tensor whose shape is not of whole numbers")
    if len(shape) != len(strides) or len(shape) > 8:
        raise ValueError(f"a tensor of {len(shape)} dimensions with {len(strides)} strides")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _tensor_of_class(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """``torch._tensor._rebuild_from_type_v2``: a tensor with attributes beside its values."""
    name = function.name if isinstance(function, Named) else ""
    return _tensor(*arguments) if name in _TENSORS else Foreign("torch.Tensor")


_CODES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"})


def _kind(code: Any, *_: Any) -> Kind | Foreign:
    """``numpy.dtype`` of plain numbers."""
    return Kind(code) if isinstance(code, str) and code in _CODES else Foreign("numpy.dtype")


def _bytes(data: Any) -> bytes | bytearray:
    if isinstance(data, Encoded):
        return data.text.encode("latin-1")
    if not isinstance(data, bytes | bytearray):
        raise ValueError("an array of numpy without its bytes")
    return data


def _scalar(kind: Any, data: Any = b"", *_: Any) -> Any:
    """``numpy.core.multiarray.scalar``: one number, else a foreign object."""
    size = len(data.text if isinstance(data, Encoded) else data)
    if not isinstance(kind, Kind) or size != kind.dtype.itemsize:
        return Foreign("numpy.core.multiarray.scalar")
    return np.frombuffer(_bytes(data), kind.dtype)[0].item()


def array(pickled: Array) -> np.ndarray:
    """The values of an array: its state is version, shape, dtype, whether columns lead, bytes.

    Raises:
        ValueError: If they are no plain numbers, or there are not as many as the shape says.
    """
    if len(pickled.state) != 5:
        raise ValueError("an array of numpy without its state")
    _, shape, kind, by_columns, data = pickled.state
    if not isinstance(kind, Kind):
        raise ValueError("an array of numpy that does not hold plain numbers")
    if len(shape) > 8 or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("an array of numpy whose shape is not of whole numbers")
    values = np.frombuffer(_bytes(data), kind.dtype)
    if prod(shape) != len(values):
        raise ValueError(f"an array of shape {shape} with {len(values)} values")
    return values.reshape(shape, order="F" if by_columns is True else "C")


_TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
CALLS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(_TENSORS, _tensor),
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": _tensor_of_class,
    # How older protocols write no bytes.
    "__builtin__.bytes": lambda *given: Foreign("bytes") if given else b"",
    "collections.OrderedDict": lambda *_: {},
    "_codecs.encode": lambda text, *_: Encoded(text) if isinstance(text, str) else Foreign("bytes"),
    "numpy.dtype": _kind,
    **{
        f"numpy.{core}.multiarray.{name}": call
        for core in ("core", "_core")
        for name, call in (("scalar", _scalar), ("_reconstruct", lambda *_: Array()))
    },
}
"""The functions whose calls mean something here, and what each stands for."""
