"""matscale: does a generative model of materials understand structure, or does it remember it?

>>> import matscale as ms
>>> card = ms.score("reconstruction", "predictions.csv", train="supercon3d")  # doctest: +SKIP
>>> card.table()  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from matscale.runtime.version import __version__ as __version__

if TYPE_CHECKING:
    from matscale.api import Scorer, compare, load_results, read, score
    from matscale.report.scorecard import Scorecard
    from matscale.runtime.errors import UserError
    from matscale.structures.table import StructureTable

__all__ = [
    "Scorecard",
    "Scorer",
    "StructureTable",
    "UserError",
    "compare",
    "load_results",
    "read",
    "score",
]

_HOME = {
    "Scorecard": "matscale.report.scorecard",
    "Scorer": "matscale.api",
    "StructureTable": "matscale.structures.table",
    "UserError": "matscale.runtime.errors",
    "compare": "matscale.api",
    "load_results": "matscale.api",
    "read": "matscale.api",
    "score": "matscale.api",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that `import matscale` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'matscale' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names alone: what completion offers."""
    return sorted([*__all__, "__version__"])
