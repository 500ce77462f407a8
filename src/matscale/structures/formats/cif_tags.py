"""The values of a CIF block by data name, however the name is spelled.

``_cell.length_a`` (DDLm, CIF2), ``_cell_length_a`` (DDL1) and ``_CELL_LENGTH_A`` are one name
here, as are ``H-M`` and ``H_M``; ``?`` and ``.`` are not values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gemmi

ABSENT = ("?", ".", "")

QUOTES = ("'", '"', ";")


class Tags:
    """A block's data names, in lower case with underscores only, and their values.

    Attributes:
        block: The block.
    """

    def __init__(self, block: gemmi.cif.Block) -> None:
        self.block = block
        self._pairs: dict[str, list[str]] = {}
        self._loops: dict[str, list[tuple[int, int]]] = {}
        self._values: list[Any] = []
        self._widths: list[int] = []
        for item in block:
            pair: Any = item.pair
            if pair is not None:
                self._pairs.setdefault(_plain(pair[0]), []).append(pair[1])
            elif (loop := item.loop) is not None:
                tags = loop.tags
                for column, tag in enumerate(tags):
                    self._loops.setdefault(_plain(tag), []).append((len(self._values), column))
                self._values.append(loop)
                self._widths.append(len(tags))

    def __contains__(self, name: str) -> bool:
        return name in self._pairs or name in self._loops

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs | self._loops)

    def column(self, *names: str) -> list[str]:
        """The values as they stand in the file, quotes included, of the first name that has any."""
        for name in names:
            for loop, number in self._loops.get(name, ()):
                if values := self._column(loop, number):
                    return values
            if name in self._pairs:
                return self._pairs[name][:1]
        return []

    def text(self, name: str) -> str | None:
        """The first value of a name, without quotes and outer blanks; None if there is none."""
        raw = self._pairs.get(name)
        if raw is None:
            return next(iter(self.texts(name)), None)
        text = _text(raw[0])
        return None if text in ABSENT else text

    def texts(self, *names: str) -> tuple[str, ...]:
        """All values of these names, without quotes and outer blanks, each once; no absent ones."""
        raw: list[str] = []
        for name in names:
            if name in self._pairs:
                raw += self._pairs[name]
            if name in self._loops:
                for loop, column in self._loops[name]:
                    raw += self._column(loop, column)
        if not raw:
            return ()
        return tuple(dict.fromkeys([text for value in raw if (text := _text(value)) not in ABSENT]))

    def _column(self, loop: int, column: int) -> list[str]:
        values = self._values[loop]
        if not isinstance(values, list):
            # All values at once: most columns of a loop are wanted.
            self._values[loop] = values = values.values
        return values[column :: self._widths[loop]]


def _text(raw: str) -> str:
    """A value without quotes and outer blanks."""
    import gemmi

    return gemmi.cif.as_string(raw).strip() if raw[:1] in QUOTES else raw


@lru_cache(4096)
def _plain(name: str) -> str:
    return name.lower().replace(".", "_").replace("-", "_")
