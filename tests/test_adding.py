"""Adding a metric, a floor, a task and a format touches the files that CONTRIBUTING.md names.

Each addition is made in a copy of the package and used there.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import matscale

ROOT = Path(__file__).parent.parent
PACKAGE = Path(matscale.__file__).parent

TASK = '''
"""Sums: can a model add two numbers?"""

import numpy as np

from matscale.predictors.registry import FIELDS
from matscale.results import result as schema
from matscale.results.compared import ComparedTask
from matscale.results.measure import all_measured, measures_of
from matscale.tasks.asking import Telling, baselines, entrant
from matscale.tasks.harness import (
    Outcome, Rules, Scored, measured, protocols_of, scorecard, scored_by, start_run,
)
from matscale.tasks.sums.specs import SPECS
from matscale.tasks.task import Task

NUMBERS = ((1, 2), (3, 4), (5, 5))


class Sums(Rules):
    task = "sums"
    specs = SPECS

    def headline(self, protocol):
        return "right"

    def metrics(self, scored, protocol, seed):
        right = np.array([answer.value == sum(pair) for answer, pair in scored.samples], float)
        return all_measured(measures_of(SPECS["sound"], {"right": right}), seed=seed)

    def outcome(self, scored, protocol):
        return Outcome([answer.reason or "scored" for answer, _ in scored.samples])


def scored(one):
    return Scored(one, list(zip(one.answer(range(len(NUMBERS))), NUMBERS)))


def score_sums(predictions, *, out=None, seed=0, command="test"):
    telling = Telling(
        len(NUMBERS), FIELDS["sums"], ("numbers",), frozenset(),
        lambda row, fields: {"numbers": NUMBERS[row]},
    )
    dataset = schema.Dataset(name="sums", sha256="0", size=len(NUMBERS))
    run = start_run(dataset, protocols_of("sound"), out=out, seed=seed, command=command)
    models = [
        entrant(predictions, telling, None, check=int, kinds={"sound": "model"}, seed=seed)
    ]
    floors = baselines("sums", telling, None, check=int, protocols=run.protocols, seed=seed)
    rules = Sums()
    return scorecard(
        rules, run, [measured(rules, run, one) for one in scored_by(scored, floors, models)]
    )


TASK = Task(
    name="sums", question="Can it add?", told=("numbers",), asked="the sum", score=score_sums,
    compared=ComparedTask(),
)
'''

ADDED = {
    "a metric": {
        "tasks/perception/specs.py": (
            "_FIGURES = (",
            '\n    share("first", "first option right", "Share whose right option is A."),',
        ),
        "tasks/perception/measures.py": (
            "found: dict[str, Value] = {",
            '\n        "first": lambda row: float(row.figure.item.correct_answer == "A"),',
        ),
    },
    "a floor": {
        "predictors/floors/first_training.py": '''
"""The first training crystal, whatever is asked."""


class FirstTraining:
    name = "first_training"
    kind = "floor"
    told = ()

    def fit(self, training):
        self.crystal = training.crystals[:1]

    def predict(self, told, candidates=1, seed=0):
        return [self.crystal if candidates == 1 else [self.crystal] for _ in told]
''',
        "predictors/registry.py": (
            "from matscale.predictors.floors.substitution import Substitution",
            "\nfrom matscale.predictors.floors.first_training import FirstTraining",
            '"reconstruction": (Substitution,',
            " FirstTraining,",
        ),
    },
    "a task": {
        "tasks/sums/__init__.py": TASK,
        "tasks/sums/specs.py": (
            "from matscale.results.metric import share\n"
            'SPECS = {"sound": {"right": share("right", "sums right", "Share of sums.")}}\n'
        ),
        "tasks/task.py": ("TASKS = {", '\n    "sums": "matscale.tasks.sums",'),
        "predictors/registry.py": (
            "\nFactories = ",
            "0\n\n\nclass Ten:\n"
            '    name, kind, told = "ten", "floor", ()\n\n'
            "    def predict(self, told, candidates=1, seed=0):\n"
            "        return [10 for _ in told]\n\n\nFactories = ",
            "FLOORS: Factories = {",
            '\n    "sums": (Ten,),',
            "CEILINGS: Factories = {",
            '\n    "sums": (),',
            "FIELDS: Mapping[str, Mapping[str, str]] = {",
            '\n    "sums": {"numbers": "what is to be added"},',
        ),
    },
    "a format": {
        "structures/formats/cubes.py": '''
"""Cubes of one atom: element and edge in Å."""

import numpy as np

from matscale.structures.formats.elements import atomic_number
from matscale.structures.formats.vocabulary import Format, Parsed


def entries(file):
    for line in file.data.decode().split()[1:]:
        yield file.entry(line, cube)


def cube(line):
    element, edge = line.split(":")
    return Parsed(np.array([atomic_number(element)]), np.zeros((1, 3)), float(edge) * np.eye(3))


FORMAT = Format("cubes", (".cubes",), lambda head: head.startswith(b"cubes"), entries)
''',
        "structures/formats/registry.py": (
            "    csv_table,\n",
            "    cubes,\n",
            "    cif.FORMAT,\n",
            "    cubes.FORMAT,\n",
        ),
    },
}
"""What is added: the text of a new file, or pairs of a text in an old one and what follows it."""

USED = """
import json, sys
import matscale as ms
import numpy as np
from pathlib import Path
from figure_samples import choice
from matscale.figures.items import Figure
from matscale.tasks.perception import measures, rows
from matscale.tasks.perception.specs import SPECS
from matscale.predictors.registry import FLOORS
from matscale.predictors.training import CrystalTraining
from matscale.predictors.predictor import Told

said = {}
figures = [Figure(f"mcq/{k}", choice(k), "mcq") for k in (0, 4, 1, 2)]  # A, A, B, C
metric = measures.metrics(rows.true_rows(figures), "sound", 0)["first"]
said["a metric"] = [metric.value, SPECS["sound"]["first"].label]

folder = Path(sys.argv[1])
(folder / "some.cubes").write_text("cubes Na:4.0 Mg:3.5")
table = ms.read(folder / "some.cubes").table
said["a format"] = [len(table), float(table.volumes[0])]

floor = next(make for make in FLOORS["reconstruction"] if make.name == "first_training")()
floor.fit(CrystalTraining(table))
said["a floor"] = [len(floor.predict(Told.of([{}, {}], ())))]


class Adder:
    name = "adder"
    told = ("numbers",)

    def predict(self, told):
        return [sum(numbers) for numbers in told.column("numbers")]


card = ms.score("sums", Adder(), out=folder / "sums")
right = card["adder"].metrics["right"]
page = card.report(folder / "page").read_text()
said["a task"] = [right.value, right.floor, right.floor_name, "sums right" in page]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a process prints that uses all additions in a copy of the package."""
    folder = tmp_path_factory.mktemp("house")
    copy = folder / "src" / "matscale"
    shutil.copytree(PACKAGE, copy)
    for files in ADDED.values():
        for name, change in files.items():
            add(copy / name, change)
    done = subprocess.run(
        [sys.executable, "-c", USED, str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{copy.parent}{os.pathsep}{ROOT / 'tests'}"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def add(path, change):
    if isinstance(change, str):
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(change, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    for before, after in zip(change[::2], change[1::2], strict=True):
        assert text.count(before) == 1, (path, before)
        text = text.replace(before, before + after)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("a metric", [0.5, "first option right"]),
        ("a floor", [2]),
        ("a task", [1.0, pytest.approx(1 / 3), "ten", True]),
        ("a format", [2, pytest.approx(64.0)]),
    ],
)
def test_what_is_added_works(said, kind, expected):
    assert said[kind] == expected


@pytest.mark.parametrize("kind", ADDED)
def test_adding_touches_what_contributing_says(kind):
    """The files of the table, in which <task> and <name> stand for names, and no others."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.split("\n") if line.startswith(f"| {kind} |")]
    named = re.findall(r"`src/matscale/([^`]+)`", row)
    patterns = {name: re.sub(r"<\w+>", "*", name) + "*" * name.endswith("/") for name in named}
    touched = set(ADDED[kind])
    for name, pattern in patterns.items():
        assert any(fnmatch.fnmatch(path, pattern) for path in touched), f"{name} is not needed"
    for path in touched:
        assert any(fnmatch.fnmatch(path, pattern) for pattern in patterns.values()), path
