"""Relaxation against ASE's own filter and optimiser, and what becomes of crystals that cannot."""

import importlib
import pickle
import sys
import types
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from scipy.linalg import expm_frechet

from matscale.energy.ase_potential import FAMILIES, AsePotential, _made_again
from matscale.energy.deformation import (
    Layout,
    exponential_slope,
    generalised_forces,
    to_cartesian,
)
from matscale.energy.evaluate import energies
from matscale.energy.potential import Evaluation
from matscale.energy.potentials import potential
from matscale.energy.relax import RelaxSettings, relax
from matscale.runtime.errors import UserError
from matscale.structures.table import StructureTable

TIGHT = RelaxSettings(fmax=0.02, max_steps=300)


def distorted(atoms: Atoms, seed: int, amount: float = 0.08) -> Atoms:
    random = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + random.normal(0, 0.03, (3, 3))), True)
    atoms.positions += random.normal(0, amount, atoms.positions.shape)
    return atoms


@pytest.fixture(scope="module")
def metals() -> list[Atoms]:
    ordered = bulk("Cu", cubic=True)
    ordered.symbols[0] = "Au"
    pair = bulk("Ni", cubic=True)
    pair.symbols[:2] = "Al"
    crystals = [bulk("Cu"), ordered, pair, bulk("Pd") * (3, 1, 1)]
    return [distorted(atoms, seed) for seed, atoms in enumerate(crystals)]


class Counting:
    """EMT that counts what it is asked, and can misbehave."""

    name, version, device = "counting", "1", "cpu"

    def __init__(self, spoil=None, stop_after=None):
        self._emt = AsePotential("emt", "1", EMT)
        self._spoil, self._stop_after = spoil, stop_after
        self.asked = 0

    def evaluate(self, table: StructureTable) -> Evaluation:
        self.asked += len(table)
        if self._stop_after is not None and self.asked > self._stop_after:
            raise KeyboardInterrupt
        evaluation = self._emt.evaluate(table)
        if self._spoil:
            self._spoil(table, evaluation)
        return evaluation


def test_the_slope_of_the_exponential_is_scipys():
    matrices, directions = np.random.default_rng(0).normal(0, 0.5, (2, 5, 3, 3))
    expected = [
        expm_frechet(a, b, compute_expm=False) for a, b in zip(matrices, directions, strict=True)
    ]
    np.testing.assert_allclose(exponential_slope(matrices, directions), expected, atol=1e-12)


def test_generalised_forces_are_those_of_ase(metals):
    layout = Layout(np.array([len(atoms) for atoms in metals]))
    random = np.random.default_rng(1)
    cells0 = np.array([atoms.cell.array for atoms in metals])
    positions0 = np.concatenate([atoms.positions for atoms in metals])
    logs = random.normal(0, 0.05, (len(metals), 3, 3)) * layout.n_atoms[:, None, None]
    coordinates = layout.join(positions0, logs)
    positions, cells = to_cartesian(layout, coordinates, cells0)
    for row, atoms in enumerate(metals):
        copy, rows = atoms.copy(), layout.atom_owners == row
        filtered = FrechetCellFilter(copy)
        copy.set_cell(cells[row])
        copy.positions = positions[rows]
        copy.calc = EMT()
        # ASE's cell coordinates differ by the constant n log n.
        shift = len(copy) * np.log(len(copy)) * np.eye(3)
        theirs = filtered.get_positions() - np.concatenate([np.zeros((len(copy), 3)), shift])
        np.testing.assert_allclose(coordinates[layout.owners == row], theirs, atol=1e-9)
        ours = generalised_forces(
            Layout(np.array([len(copy)])),
            coordinates[layout.owners == row],
            cells0[row : row + 1],
            copy.get_forces(),
            copy.get_stress(voigt=False)[None],
        )
        np.testing.assert_allclose(ours, filtered.get_forces(), atol=1e-9)


def test_generalised_forces_are_the_slope_of_the_energy(metals):
    layout, cell0 = Layout(np.array([4])), metals[1].cell.array[None]
    logs = 4 * np.random.default_rng(2).normal(0, 0.05, (1, 3, 3))
    coordinates = layout.join(metals[1].positions, logs)
    emt = AsePotential("emt", "1", EMT)

    def evaluated(at):
        positions, cells = to_cartesian(layout, at, cell0)
        return emt.evaluate(
            StructureTable.from_parts(["a"], [metals[1].numbers], [positions], cells)
        )

    here = evaluated(coordinates)
    ours = generalised_forces(layout, coordinates, cell0, here.forces, here.stresses)
    for row, axis in [(0, 0), (2, 1), (4, 0), (5, 2), (6, 1)]:
        step = np.zeros_like(coordinates)
        step[row, axis] = 1e-4
        up, down = evaluated(coordinates + step), evaluated(coordinates - step)
        assert ours[row, axis] == pytest.approx(
            -(up.energies[0] - down.energies[0]) / 2e-4, abs=1e-5
        )


@pytest.fixture(scope="module")
def ases(metals) -> list[tuple[int, Atoms]]:
    """Steps and results of ASE's own FIRE and filter."""
    answers = []
    for atoms in metals:
        copy = atoms.copy()
        copy.calc = EMT()
        optimiser = FIRE(FrechetCellFilter(copy), logfile=None)
        optimiser.run(fmax=TIGHT.fmax, steps=TIGHT.max_steps)
        answers.append((optimiser.nsteps, copy))
    return answers


@pytest.mark.parametrize("batch_atoms", [7, 1000])
def test_fire_goes_the_way_of_ases_fire(metals, ases, batch_atoms):
    """Step by step, whoever else is in the batch."""
    table = StructureTable.from_ase(metals)
    emt = potential("ase.calculators.emt:EMT")
    relaxed = relax(table, emt, TIGHT, batch_atoms=batch_atoms)
    assert relaxed.counts["converged"] == len(metals)
    for row, (steps, copy) in enumerate(ases):
        assert relaxed.steps[row] == steps
        assert relaxed.energies[row] == pytest.approx(copy.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(relaxed.table.lattices[row], copy.cell.array, atol=1e-6)
        np.testing.assert_allclose(relaxed.table.row_positions(row), copy.positions, atol=1e-6)


def test_lbfgs_finds_the_same_minima_in_fewer_steps(metals):
    table, emt = StructureTable.from_ase(metals), potential("ase.calculators.emt:EMT")
    fire = relax(table, emt, TIGHT)
    lbfgs = relax(table, emt, RelaxSettings(fmax=0.02, max_steps=300, optimiser="lbfgs"))
    assert lbfgs.converged.all()
    np.testing.assert_allclose(lbfgs.energies, fire.energies, atol=2e-3)
    assert lbfgs.steps.sum() < 0.7 * fire.steps.sum()


def test_copper_gets_the_lattice_constant_of_emt():
    """3.59 Å: ASE's documentation and the paper of Jacobsen et al., Surf. Sci. 366, 394 (1996)."""
    table = StructureTable.from_ase([bulk("Cu", a=3.9, cubic=True)])
    relaxed = relax(table, potential("ase.calculators.emt:EMT"), RelaxSettings(fmax=0.001))
    assert relaxed.table.volumes[0] ** (1 / 3) == pytest.approx(3.59, abs=0.005)
    assert relaxed.energies[0] < relaxed.initial_energies[0]


def test_a_fixed_cell_stays(metals):
    table = StructureTable.from_ase(metals)
    settings = RelaxSettings(fmax=0.01, relax_cell=False)
    relaxed = relax(table, potential("ase.calculators.emt:EMT"), settings)
    np.testing.assert_allclose(relaxed.table.lattices, table.lattices, atol=1e-12)
    assert relaxed.converged.all()


def test_every_crystal_keeps_its_status(metals):
    unknown = Atoms("Cs", cell=np.eye(3) * 6, pbc=True)  # EMT raises
    spoilt = bulk("Ag")  # its energy is not a number
    runaway = bulk("Pt")  # pushed apart for ever
    later = distorted(bulk("Au", cubic=True), 3)  # not evaluated any more once it has moved
    given = later.positions.copy()

    def spoil(table, evaluation):
        for row in range(len(table)):
            symbols = set(table.row_numbers(row).tolist())
            if symbols == {47}:
                evaluation.energies[row] = np.nan
            if symbols == {78}:
                evaluation.stresses[row] = -np.eye(3)
            if symbols == {79} and abs(table.row_positions(row) - given).max() > 0.01:
                evaluation.forces[table.offsets[row]] = np.nan

    table = StructureTable.from_ase([metals[1], unknown, spoilt, runaway, later])
    relaxed = relax(table, Counting(spoil), TIGHT)
    assert relaxed.statuses.tolist() == ["converged", "failed", "failed", "exploded", "exploded"]
    assert relaxed.counts == {"converged": 1, "not converged": 0, "exploded": 2, "failed": 2}
    assert np.isnan(relaxed.energies[1:]).all()
    assert np.isfinite(relaxed.table.positions).all()
    assert "NotImplementedError" in relaxed.reasons[1]
    assert "not finite" in relaxed.reasons[2]
    assert "volume" in relaxed.reasons[3]
    assert np.isfinite(relaxed.initial_energies[4])
    assert sorted(relaxed.reasons) == [1, 2, 3, 4]
    few = relax(table[:1], Counting(), RelaxSettings(fmax=1e-4, max_steps=2))
    assert few.counts["not converged"] == 1
    assert few.steps[0] == 2
    assert np.isfinite(few.energies[0])


def test_what_was_relaxed_is_recalled_under_any_id(metals, tmp_path):
    table, counting = StructureTable.from_ase(metals), Counting()
    first = relax(table, counting, TIGHT, folder=tmp_path)
    asked = counting.asked
    again = relax(table.with_ids(list("wxyz"))[::-1], counting, TIGHT, folder=tmp_path)
    assert counting.asked == asked
    np.testing.assert_array_equal(again.energies, first.energies[::-1])
    np.testing.assert_array_equal(again.table.lattices, first.table.lattices[::-1])
    assert again.counts == first.counts
    relax(table, counting, RelaxSettings(fmax=0.03, max_steps=300), folder=tmp_path)
    assert counting.asked > asked


def test_an_interrupt_loses_only_what_is_under_way(metals, tmp_path):
    table, whole = StructureTable.from_ase(metals[:3]), Counting()
    expected = relax(table, whole, TIGHT, batch_atoms=1)
    stopped = Counting(stop_after=whole.asked - 5)
    with pytest.raises(KeyboardInterrupt):
        relax(table, stopped, TIGHT, folder=tmp_path, batch_atoms=1)
    assert len(list(tmp_path.glob("*.npz"))) == len(table) - 1
    rest = Counting()
    resumed = relax(table, rest, TIGHT, folder=tmp_path, batch_atoms=1)
    assert rest.asked == expected.steps[np.argmin(table.n_atoms)] + 1
    np.testing.assert_array_equal(resumed.energies, expected.energies)


def test_a_damaged_answer_is_computed_again(metals, tmp_path):
    table = StructureTable.from_ase(metals[:1])
    first = energies(table, Counting(), folder=tmp_path)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:40])
    counting = Counting()
    again = energies(table, counting, folder=tmp_path)
    assert counting.asked == 1
    assert again.energies == pytest.approx(first.energies)


def test_energies_name_what_has_none(metals):
    unknown = Atoms("Cs", cell=np.eye(3) * 6, pbc=True)
    table = StructureTable.from_ase([metals[0], unknown, metals[1], metals[0]])
    counting = Counting()
    answer = energies(table, counting, batch_atoms=4)
    assert counting.asked == 3  # equal crystals are evaluated once
    assert list(answer.reasons) == [1]
    expected = metals[1].copy()
    expected.calc = EMT()
    assert answer.energies[2] == pytest.approx(expected.get_potential_energy())
    assert answer.energies[0] == answer.energies[3]


def test_no_crystals_are_no_trouble():
    relaxed = relax(StructureTable.empty(), Counting())
    assert len(relaxed.table) == 0
    assert sum(relaxed.counts.values()) == 0
    assert len(energies(StructureTable.empty(), Counting()).energies) == 0


def test_two_processes_find_the_same(metals, tmp_path, monkeypatch):
    table, emt = StructureTable.from_ase(metals), potential("ase.calculators.emt:EMT")
    one = relax(table, emt, TIGHT)
    monkeypatch.setattr("matscale.energy.relax.CHUNK", 2)
    two = relax(table, emt, TIGHT, workers=2, folder=tmp_path)
    np.testing.assert_allclose(two.energies, one.energies, atol=1e-9)
    assert len(list(tmp_path.glob("*.npz"))) == len(table)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("chgnot", "there is no potential 'chgnot'"),
        ("no_such_module:Thing", "cannot be imported"),
        ("ase.calculators.emt:NoSuch", "has no NoSuch"),
        ("builtins:dict", "which is no ASE calculator"),
    ],
)
def test_a_wrong_name_is_explained(name, says):
    with pytest.raises(UserError, match=says):
        potential(name)


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("mace:medium-mpa-0", "mace", "mace-torch"),
        ("orb", "orb_models", "orb-models"),
        ("sevennet", "sevenn", "sevenn"),
        ("torchsim:some.where:make", "torch_sim", "torch-sim-atomistic"),
    ],
)
def test_a_missing_package_is_named(name, module, package):
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(UserError, match=f"pip install {package}"):
        potential(name)


OWN = """
from pathlib import Path
from ase.calculators.lj import LennardJones

def make():
    depth = float((Path(__file__).parent / "depth.txt").read_text())
    return LennardJones(sigma=2.0, epsilon=depth, rc=5.0)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A calculator of one's own that reads a parameter from a file; writes that file."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_calculator", raising=False)
    (tmp_path / "my_calculator.py").write_text(OWN)

    def depth(value: str) -> AsePotential:
        (tmp_path / "depth.txt").write_text(value)
        return potential("my_calculator:make")

    return depth


def test_a_changed_parameter_is_not_answered_from_the_cache(own, metals, tmp_path):
    table, kept = StructureTable.from_ase(metals), tmp_path / "kept"
    before = own("0.1")
    assert before.name == "my_calculator:make"
    assert own("0.1").version == before.version
    first = energies(table, before, folder=kept).energies
    # The well of Lennard and Jones is as deep as it is told to be.
    np.testing.assert_allclose(energies(table, own("0.2"), folder=kept).energies, 2 * first)
    assert "ase" in potential("ase.calculators.emt:EMT").version


def test_a_potential_that_travelled_is_the_same_or_none(own):
    sent = pickle.dumps(own("0.1"))
    there = pickle.loads(sent)  # noqa: S301
    assert (there.name, there.version) == (own("0.1").name, own("0.1").version)
    _made_again.cache_clear()
    own("0.2")
    with pytest.raises(UserError, match="results would differ"):
        pickle.loads(sent)  # noqa: S301


def test_the_weights_of_a_file_are_part_of_the_version(tmp_path, monkeypatch):
    family = FAMILIES["mace"]._replace(make=lambda model, device: EMT())
    monkeypatch.setitem(FAMILIES, "mace", family)
    versions = set()
    for content in ("one", "other"):
        (tmp_path / "weights.model").write_text(content)
        versions.add(potential(f"mace:{tmp_path}/weights.model").version)
    assert len(versions) == 2
    assert len({potential("mace:medium").version for _ in range(2)}) == 1


@pytest.mark.parametrize("wrong", [{"fmax": 0}, {"max_steps": -1}, {"optimiser": "newton"}])
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(UserError):
        RelaxSettings(**wrong)


@pytest.fixture
def torch_sim(monkeypatch):
    """A torch-sim that is not there; says which version it pretends to be."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    package, module = types.ModuleType("torch_sim"), types.ModuleType("torch_sim.io")
    module.atoms_to_state = lambda atoms, device, dtype: atoms
    models = types.ModuleType("my_models")

    class Model:
        device, dtype = torch.device("cpu"), torch.float64

        def __init__(self, stress):
            self.compute_forces, self.compute_stress = True, stress

        def __call__(self, atoms):
            told = AsePotential("lj", "1", partial(LennardJones, sigma=2.2, epsilon=0.2, rc=5.5))
            said = told.evaluate(StructureTable.from_ase(atoms))
            numbers = {"energy": said.energies, "forces": said.forces, "stress": said.stresses}
            return {name: torch.from_numpy(value) for name, value in numbers.items()}

    models.make, models.stressless = lambda device: Model(True), lambda device: Model(False)
    for made in (package, module, models):
        monkeypatch.setitem(sys.modules, made.__name__, made)

    def pretend(version):
        monkeypatch.setattr(
            "matscale.energy.torchsim_potential.package_version", lambda package: version
        )

    return pretend


@pytest.mark.parametrize("version", ["0.2.2", "0.5.1", "unknown"])
def test_torch_sims_that_were_not_tested_are_refused(torch_sim, version):
    torch_sim(version)
    with pytest.raises(UserError, match=r"pip install torch-sim-atomistic==0\.3\.0"):
        potential("torchsim:my_models:make")


def test_cells_relax_with_torch_sim_where_no_atom_feels_a_force(torch_sim):
    """A strained cell of one atom: to the minimum of ASE's own potential, not as it was given."""
    torch_sim("0.3.0")
    with pytest.raises(UserError, match="compute_stress=True"):
        potential("torchsim:my_models:stressless")
    table = StructureTable.from_ase([bulk("Cu", a=4.0)])
    relaxed = relax(table, potential("torchsim:my_models:make"), RelaxSettings(fmax=0.01))
    copper = bulk("Cu", a=4.0)
    copper.calc = LennardJones(sigma=2.2, epsilon=0.2, rc=5.5)
    FIRE(FrechetCellFilter(copper), logfile=None).run(fmax=0.01)
    assert relaxed.counts["converged"] == 1
    assert relaxed.steps[0] > 0
    assert relaxed.table.volumes[0] == pytest.approx(copper.get_volume(), rel=1e-4)
    assert relaxed.table.volumes[0] < 0.9 * table.volumes[0]
