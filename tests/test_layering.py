"""Imports run from a floor of the house to a lower one: never up, sideways or in a circle."""

import ast
from pathlib import Path

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
    "tasks": 7,
    "api": 8,
    "doctor": 8,
    "demo": 8,
    "cli": 9,
    "__init__": 10,
    "__main__": 10,
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(source: str) -> set[str]:
    """Rooms of matscale that a module imports, at the top or inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write absolute imports"
            if node.module == "matscale":
                modules |= {f"matscale.{alias.name}" for alias in node.names}
            elif node.module:
                modules.add(node.module)
    return {name.split(".")[1] for name in modules if name.startswith("matscale.")}


def violations(path: Path, source: str) -> list[str]:
    room = room_of(path)
    return [
        f"{path.relative_to(PACKAGE)} ({room}, floor {FLOOR[room]}) imports {other}"
        for other in sorted(imported_rooms(source) & FLOOR.keys())
        if other != room and FLOOR[other] >= FLOOR[room]
    ]


def test_no_module_imports_a_higher_room():
    found = [
        line
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in violations(path, path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert rooms <= FLOOR.keys()


def test_an_upward_import_would_be_found():
    path = PACKAGE / "metrics" / "lattice.py"
    assert violations(path, "from matscale.tasks.task import Task")
    assert violations(path, "def late():\n    import matscale.structures.table")
    assert not violations(PACKAGE / "tasks" / "x.py", "from matscale.metrics import lattice")
