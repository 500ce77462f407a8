"""Processes that cannot be trusted any more: their context failed, or they died."""

import os

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from matscale.energy import context
from matscale.energy.ase_potential import AsePotential
from matscale.energy.context import ContextFailed, evaluated
from matscale.energy.evaluate import energies
from matscale.energy.potential import Evaluation
from matscale.energy.relax import RelaxSettings, relax
from matscale.runtime.errors import UserError
from matscale.runtime.fresh import ProcessDied, in_a_fresh_process
from matscale.structures.table import StructureTable

GOLD, SILVER = 79, 47
SAID = "CUDA error: an illegal memory access was encountered"
SETTINGS = RelaxSettings(fmax=0.05, max_steps=100)

_lost: set[str] = set()
"""Contexts that failed in this process: every later call fails, as on a GPU."""


class Fragile:
    """EMT on a pretended accelerator whose context fails at gold, for good, as CUDA's does.

    Args:
        name: What the potential, and with it its context, is called.
        how: "raise" as CHGNet does; "refuse" as ASE's calculators are treated; "die" ends the
            process, and "once" raises in this process alone.
    """

    version = "1"

    def __init__(self, name: str, how: str) -> None:
        self.name, self.device, self.how, self.home = name, "cuda", how, os.getpid()

    def evaluate(self, table: StructureTable) -> Evaluation:
        if GOLD in table.numbers and (self.how != "once" or os.getpid() == self.home):
            if self.how == "die":
                os._exit(11)
            _lost.add(self.name)
        if self.name not in _lost:
            return AsePotential("emt", "1", EMT).evaluate(table)
        if self.how == "refuse":
            return Evaluation.refusing(table, dict.fromkeys(range(len(table)), SAID))
        raise RuntimeError(SAID)


@pytest.fixture
def fragile(request):
    """Makes potentials of this test alone."""
    made = []

    def make(how: str) -> Fragile:
        made.append(Fragile(f"{request.node.name}:{how}", how))
        return made[-1]

    yield make
    for potential in made:
        context._failed.pop((potential.name, "cuda"), None)
        _lost.discard(potential.name)


def crystals(*symbols: str) -> StructureTable:
    return StructureTable.from_ase([bulk(symbol, cubic=True) for symbol in symbols])


def sound(table: StructureTable) -> np.ndarray:
    """Energies of EMT itself."""
    return relax(table, AsePotential("emt", "1", EMT), SETTINGS).energies


@pytest.mark.parametrize("how", ["raise", "refuse"])
def test_only_the_crystal_that_breaks_the_context_fails(fragile, how):
    """All are in one batch with it; the others are relaxed elsewhere, as by EMT itself."""
    table = crystals("Cu", "Au", "Ni", "Pt")
    relaxed = relax(table, fragile(how), SETTINGS)
    assert relaxed.statuses.tolist() == ["converged", "failed", "converged", "converged"]
    assert list(relaxed.reasons) == [1]
    assert SAID in relaxed.reasons[1]
    others = [0, 2, 3]
    np.testing.assert_allclose(relaxed.energies[others], sound(table)[others], atol=1e-6)


def test_a_context_that_failed_by_chance_costs_no_crystal(fragile):
    table = crystals("Cu", "Au", "Ni")
    relaxed = relax(table, fragile("once"), SETTINGS)
    assert relaxed.counts["converged"] == 3
    np.testing.assert_allclose(relaxed.energies, sound(table), atol=1e-6)


def test_energies_are_asked_for_elsewhere_too(fragile):
    table = crystals("Cu", "Au", "Ni")
    answer = energies(table, fragile("refuse"))
    assert list(answer.reasons) == [1]
    known = energies(table[[0, 2]], AsePotential("emt", "1", EMT)).energies
    np.testing.assert_allclose(answer.energies[[0, 2]], known)


def test_a_process_whose_context_failed_is_not_asked_again(fragile):
    potential = fragile("raise")
    with pytest.raises(ContextFailed):
        evaluated(potential, crystals("Au"))
    _lost.clear()  # It would answer, and is not trusted.
    with pytest.raises(ContextFailed, match="illegal memory access"):
        evaluated(potential, crystals("Cu"))


def test_a_worker_that_dies_takes_no_crystal_with_it(fragile, monkeypatch, tmp_path):
    monkeypatch.setattr("matscale.energy.relax.CHUNK", 1)
    table = crystals("Cu", "Au", "Ni")
    potential = fragile("die")
    potential.device = "cpu"
    relaxed = relax(table, potential, SETTINGS, workers=2, folder=tmp_path)
    assert relaxed.statuses.tolist() == ["converged", "failed", "converged"]
    assert "died" in relaxed.reasons[1]
    np.testing.assert_allclose(relaxed.energies[[0, 2]], sound(table)[[0, 2]], atol=1e-6)


class Gone(Fragile):
    """A device that is there for nobody."""

    def evaluate(self, table: StructureTable) -> Evaluation:
        raise RuntimeError(SAID)


def test_where_no_process_can_use_the_device_no_crystal_is_blamed():
    with pytest.raises(UserError, match="no process can use gone on cuda"):
        relax(crystals("Cu", "Ni"), Gone("gone", "raise"), SETTINGS)
    context._failed.clear()


class Small(Fragile):
    """A device with memory for one crystal of up to four atoms."""

    def evaluate(self, table: StructureTable) -> Evaluation:
        if len(table.numbers) > 4:
            raise RuntimeError("CUDA out of memory")
        return super().evaluate(table)


def test_what_is_too_large_for_a_sound_device_fails_alone():
    large = bulk("Cu", cubic=True) * (2, 1, 1)
    table = StructureTable.from_ase([bulk("Cu", cubic=True), large, bulk("Ni", cubic=True)])
    relaxed = relax(table, Small("small", "raise"), SETTINGS)
    assert relaxed.statuses.tolist() == ["converged", "failed", "converged"]
    assert "out of memory" in relaxed.reasons[1]


def test_faults_of_the_program_are_not_blamed_on_the_device():
    class Wrong(Fragile):
        def evaluate(self, table: StructureTable) -> Evaluation:
            raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        relax(crystals("Cu"), Wrong("wrong", "raise"), SETTINGS)


def test_a_fresh_process_is_another_and_its_death_is_told():
    assert in_a_fresh_process(_process, 0) != os.getpid()
    with pytest.raises(ProcessDied):
        in_a_fresh_process(os._exit, 3)
    with pytest.raises(UserError, match="cannot be sent"):
        in_a_fresh_process(_process, (number for number in range(3)))


def _process(_: object) -> int:
    return os.getpid()


def test_an_atom_in_a_strained_cell_is_not_relaxed():
    """No force on any atom by symmetry, so only the cell's forces say that it is not done."""
    strained = Atoms("Cu", cell=bulk("Cu").cell.array * 1.05, pbc=True)
    table = StructureTable.from_ase([strained])
    emt = AsePotential("emt", "1", EMT)
    assert abs(emt.evaluate(table).forces).max() < 1e-9
    relaxed = relax(table, emt, SETTINGS)
    assert relaxed.steps[0] > 0
    assert relaxed.table.volumes[0] < 0.95 * table.volumes[0]
    assert relax(table, emt, RelaxSettings(relax_cell=False)).steps[0] == 0
