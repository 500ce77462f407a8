"""The options of `matscale score novelty`, and the hull that it can download."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from pymatgen.entries.computed_entries import ComputedEntry
from typer.testing import CliRunner

from matscale import api
from matscale.cli import app
from matscale.matching.tolerances import Tolerances
from matscale.runtime.errors import UserError
from matscale.structures.formats import write
from matscale.structures.table import StructureTable
from matscale.tasks.novelty.score import score_novelty
from matscale.tasks.novelty.settings import NoveltySettings


@pytest.fixture
def asked(monkeypatch) -> dict:
    """What the command asks the Python interface for."""
    found: dict = {}

    def score(task, predictions, **options):
        found.update(options, task=task)
        return SimpleNamespace(results=[])

    monkeypatch.setattr(api, "score", score)
    return found


def command(*options: str):
    return CliRunner().invoke(
        app, ["score", "novelty", "model", "--train", "train", *options, "--json"]
    )


def test_what_is_not_given_is_as_in_python(asked):
    assert command().exit_code == 0
    assert asked["settings"] == NoveltySettings()


def test_every_setting_has_an_option(asked):
    tolerances = ("--ltol", "0.1", "--stol", "0.2", "--angle-tol", "4", "--symprec", "0.05")
    relaxation = ("--relax", "chgnet", "--relaxed", "--fmax", "0.01", "--max-steps", "900")
    command(*tolerances, *relaxation, "--top", "5", "--hull", "mp")
    assert asked["settings"] == NoveltySettings(
        top=5,
        tolerances=Tolerances(0.1, 0.2, 4.0),
        symprec=0.05,
        relax="chgnet",
        relaxed=True,
        hull=Path("mp"),
        fmax=0.01,
        max_steps=900,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ltol", "inf"), "--ltol is inf"),
        (("--symprec", "inf"), "--symprec is inf"),
        (("--fmax", "0"), "fmax > 0"),
        (("--hull", "mp"), "--hull needs energies"),
    ],
)
def test_numbers_without_sense_are_said_before_any_work(asked, options, words):
    error = command(*options).exception
    assert isinstance(error, UserError)
    assert words in str(error)
    assert not asked


# --- the hull of the Materials Project ---------------------------------------------------------


class Rester:
    """The client's one method that is used."""

    calls: list[str] = []  # noqa: RUF012

    def __init__(self, api_key, endpoint=None):
        assert api_key == "secret"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def get_entries_in_chemsys(self, elements, additional_criteria=None):
        self.calls.append("-".join(elements))
        cell = ComputedEntry("CuAu", -2.0, correction=-100.0, entry_id="mp-3")
        return [ComputedEntry(one, 0.0, entry_id=f"mp-{one}") for one in elements] + [cell]


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """A folder of two alloys, and a client of the Materials Project that knows their elements."""
    cells = np.array([np.diag([2.8, 2.8, 3.6])] * 2)
    places = [np.array([[0.0, 0, 0], [1.4, 1.4, 1.8]])] * 2
    numbers = [np.array([29, 79]), np.array([29, 29])]
    table = StructureTable.from_parts(["CuAu", "Cu"], numbers, places, cells)
    write(table, tmp_path / "alloys.parquet")
    package, client = ModuleType("mp_api"), ModuleType("mp_api.client")
    package.client, client.MPRester = client, Rester
    monkeypatch.setitem(sys.modules, "mp_api", package)
    monkeypatch.setitem(sys.modules, "mp_api.client", client)
    monkeypatch.setenv("MATSCALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MP_API_KEY", "secret")
    Rester.calls.clear()
    return tmp_path


def above_hull(folder: Path):
    settings = NoveltySettings(relax="ase.calculators.emt:EMT", relaxed=True, hull=Path("mp"))
    file = folder / "alloys.parquet"
    return score_novelty(file, train=file, settings=settings, workers=1)["alloys"]


def test_the_hull_is_downloaded_once(models):
    first = above_hull(models)
    # EMT is none of the potentials that learned corrected energies.
    assert first.settings["hull"].startswith(
        "entries of the Materials Project (GGA_GGA+U, uncorrected; materials-project-"
    )
    assert first.metrics["above_hull_mean"].value == pytest.approx(
        np.mean([energy_per_atom("CuAu") + 1.0, energy_per_atom("Cu")])
    )
    assert "Au-Cu" in Rester.calls
    calls = len(Rester.calls)
    assert above_hull(models).metrics == first.metrics
    assert len(Rester.calls) == calls


def energy_per_atom(formula: str) -> float:
    """What EMT itself says of the alloys."""
    from ase import Atoms
    from ase.calculators.emt import EMT

    atoms = Atoms(
        {"CuAu": "CuAu", "Cu": "Cu2"}[formula],
        positions=[[0, 0, 0], [1.4, 1.4, 1.8]],
        cell=np.diag([2.8, 2.8, 3.6]),
        pbc=True,
        calculator=EMT(),
    )
    return atoms.get_potential_energy() / 2


def test_a_missing_key_is_said_before_any_work(models, monkeypatch):
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(UserError, match="set MP_API_KEY"):
        score_novelty(
            "absent", train="absent", relax="ase.calculators.emt:EMT", hull="mp", workers=1
        )
    monkeypatch.setitem(sys.modules, "mp_api.client", None)
    with pytest.raises(UserError, match="pip install mp-api"):
        above_hull(models)
