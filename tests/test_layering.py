"""Imports run from a floor of the house to a lower one: never up, sideways or in a circle."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import matscale

PACKAGE = Path(matscale.__file__).parent

# The house, see docs/architecture.md. A room is a module or a folder directly under matscale/.
FLOOR = {
    "runtime": 1,
    "structures": 2,
    "metrics": 2,
    "results": 3,
    "matching": 4,
    "energy": 4,
    "datasets": 4,
    "recovery": 4,
    "figures": 4,
    "predictors": 5,
    "report": 5,
    "models": 6,
    "tasks": 7,
    "api": 8,
    "doctor": 8,
    "demo": 8,
    "cli": 9,
    "__init__": 10,
    "__main__": 10,
}

REST = ""
# Folders and files inside a room, the lowest first; REST is whatever is not named. What stands
# lower imports nothing that stands higher.
INSIDE = {
    "matching": ("kernels", REST, "wyckoff"),
    "structures": (REST, "formats"),
    "datasets": (REST, "particles"),
    "figures": (REST, "synthetic"),
    "figures/synthetic": (REST, "readers"),
    "metrics": ("particles", REST),
    "predictors": (REST, "floors", "registry", "validate"),
}

# Folders whose subfolders know nothing of each other, and of which shared files know nothing.
APART = ("tasks", "tasks/particles", "report/parts")

# Folders that are entered through these modules alone; "" is the folder's own __init__.
DOORS = {
    "report/parts": ("", "part", "registry"),
    "tasks/novelty/search": ("",),
}

Sources = Mapping[str, str]


def sources() -> dict[str, str]:
    """The source of every module, by its path under matscale/ without the ending."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def imported_names(source: str) -> list[str]:
    """Dotted names that a module imports: at the top, in functions, or for type checkers alone."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write absolute imports"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def home(name: str, modules: Sources) -> str | None:
    """The module of matscale that a dotted name is imported from; None where it is another's."""
    parts = name.split(".")
    if parts[0] != "matscale":
        return None
    while parts:
        path = "/".join(parts[1:])
        if path in modules:
            return path
        if (package := f"{path}/__init__".lstrip("/")) in modules:
            return package
        parts.pop()
    return None


def imports(modules: Sources) -> dict[str, set[str]]:
    """The modules that each module imports."""
    homes = {
        importer: {home(name, modules) for name in imported_names(source)}
        for importer, source in modules.items()
    }
    return {importer: {m for m in targets if m} - {importer} for importer, targets in homes.items()}


def edges(modules: Sources) -> Iterator[tuple[str, str]]:
    for importer, imported in sorted(imports(modules).items()):
        yield from ((importer, module) for module in sorted(imported))


def room_of(module: str) -> str:
    return module.split("/")[0]


def upward(modules: Sources) -> list[str]:
    """Imports of a higher room, or of another on the same floor."""
    return [
        f"{importer} imports {module}"
        for importer, module in edges(modules)
        if room_of(importer) != room_of(module)
        and FLOOR[room_of(module)] >= FLOOR[room_of(importer)]
    ]


def child(module: str, folder: str) -> str | None:
    """What a module is, or stands in, directly under a folder; None where it is not in it."""
    if not module.startswith(f"{folder}/"):
        return None
    return module.removeprefix(f"{folder}/").split("/")[0]


def upward_inside(modules: Sources) -> list[str]:
    """Imports of what stands higher in the same folder."""
    wrong = []
    for importer, module in edges(modules):
        for folder, order in INSIDE.items():
            own, other = child(importer, folder), child(module, folder)
            if own is None or other is None or own == "__init__":
                continue
            rank = {name: place for place, name in enumerate(order)}
            if rank.get(own, rank[REST]) < rank.get(other, rank[REST]):
                wrong.append(f"{importer} imports {module}")
    return wrong


def sideways(modules: Sources) -> list[str]:
    """Imports from a subfolder of its neighbour, or from shared files of any of them."""
    wrong = []
    for importer, module in edges(modules):
        for folder in APART:
            own, other = child(importer, folder), child(module, folder)
            is_folder = other is not None and f"{folder}/{other}/__init__" in modules
            if own is not None and is_folder and own not in (other, "registry"):
                wrong.append(f"{importer} imports {module}")
    return wrong


def through_the_wall(modules: Sources) -> list[str]:
    """Imports into a folder that do not go through its door."""
    return [
        f"{importer} imports {module}"
        for importer, module in edges(modules)
        for folder, doors in DOORS.items()
        if module.startswith(f"{folder}/")
        and not importer.startswith(f"{folder}/")
        and child(module, folder) not in [door or "__init__" for door in doors]
    ]


def kernels_elsewhere(modules: Sources) -> list[str]:
    """Modules of matching/ that compile functions outside kernels/."""
    return [
        f"{importer} makes kernels"
        for importer, source in sorted(modules.items())
        if room_of(importer) == "matching" and child(importer, "matching") != "kernels"
        for name in imported_names(source)
        if name.split(".")[0] == "numba" or name.endswith((".compiling.kernel", ".allocating"))
    ]


def circles(modules: Sources) -> list[list[str]]:
    """Groups of modules of which each imports itself by way of the others (Tarjan, 1972)."""
    graph = imports(modules)
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in graph[module]:
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            start = stack.index(module)
            group, stack[start:] = stack[start:], []
            if len(group) > 1:
                groups.append(sorted(group))

    for module in graph:
        if module not in number:
            visit(module)
    return groups


RULES = (upward, upward_inside, sideways, through_the_wall, kernels_elsewhere, circles)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps(rule):
    assert rule(sources()) == []


def test_every_room_has_a_floor():
    assert {room_of(module) for module in sources()} <= FLOOR.keys()


@pytest.mark.parametrize(
    ("rule", "module", "line"),
    [
        (upward, "metrics/lattice", "from matscale.tasks.task import Task"),
        (upward, "metrics/lattice", "from matscale.structures.table import StructureTable"),
        (upward, "metrics/lattice", "import matscale"),
        (upward, "cli/score", "import matscale as ms"),
        (upward, "metrics/lattice", "from matscale import __version__"),
        (upward, "metrics/lattice", "from matscale import tasks"),
        (upward, "metrics/lattice", "def late():\n    import matscale.structures.table"),
        (upward_inside, "matching/kernels/search", "from matscale.matching import batch"),
        (upward_inside, "matching/kernels/search", "from matscale.matching.wyckoff import matches"),
        (upward_inside, "matching/engine", "from matscale.matching.wyckoff import matches"),
        (upward_inside, "structures/table", "from matscale.structures.formats import read"),
        (upward_inside, "predictors/floors/crystals", "import matscale.predictors.registry"),
        (sideways, "tasks/novelty/score", "import matscale.tasks.reconstruction.score"),
        (sideways, "tasks/harness", "from matscale.tasks.novelty import TASK"),
        (sideways, "tasks/particles/rules", "import matscale.tasks.particles.crystal_to_particle"),
        (
            sideways,
            "tasks/particles/crystal_to_particle/score",
            "def late():\n    from matscale.tasks.particles.particle_to_crystal import TASK",
        ),
        (sideways, "report/parts/novelty/gather", "import matscale.report.parts.perception"),
        (through_the_wall, "report/page", "from matscale.report.parts.novelty import gather"),
        (
            through_the_wall,
            "tasks/novelty/classify",
            "import matscale.tasks.novelty.search.site_maps",
        ),
        (kernels_elsewhere, "matching/engine", "from numba import njit"),
        (
            kernels_elsewhere,
            "matching/engine",
            "from matscale.matching.kernels.compiling import kernel",
        ),
        (
            circles,
            "runtime/errors",
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from matscale.runtime.memory import Memory",
        ),
        (circles, "runtime/errors", "def late():\n    from matscale.runtime import memory"),
    ],
)
def test_a_violation_would_be_found(rule, module, line):
    modules = sources()
    before = rule(modules)
    assert len(rule({**modules, module: f"{modules[module]}\n{line}"})) > len(before)


def test_what_is_allowed_is_not_found():
    allowed = {
        "tasks/novelty/score": "from matscale.metrics import lattice\nimport matscale.tasks.task",
        "matching/batch": "from matscale.matching.kernels import search",
        "structures/formats/cif": "from matscale.structures import table",
    }
    modules = sources()
    for rule in RULES:
        before = rule(modules)
        added = {name: f"{modules[name]}\n{line}" for name, line in allowed.items()}
        assert rule({**modules, **added}) == before
