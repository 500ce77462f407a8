"""Floors do what their descriptions say, from what they are told and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystals import held_out, perovskite, rock_salt, training, wurtzite
from matscale.energy.potential import Evaluation
from matscale.predictors.ceilings import Target
from matscale.predictors.floors.crystals import MeanCell, RandomTraining
from matscale.predictors.floors.relaxed import SubstitutionRelaxed
from matscale.predictors.floors.substitution import Substitution
from matscale.predictors.floors.templates import fitted_volumes
from matscale.predictors.predictor import Told, parse_told
from matscale.predictors.training import CrystalTraining
from matscale.runtime.errors import Refused, UserError
from matscale.structures import chemistry
from matscale.structures.checks import MIN_DISTANCE
from matscale.structures.table import StructureTable


def told(*formulas: dict[str, int]) -> Told:
    cells = [
        tuple(sorted((chemistry.chemical_symbols.index(s), n) for s, n in formula.items()))
        for formula in formulas
    ]
    return Told({"composition": cells})


def fitted(floor, crystals: StructureTable):
    floor.fit(CrystalTraining(crystals))
    return floor


def test_substitution_takes_the_nearest_element_and_swaps_it():
    (table,) = fitted(Substitution(), training()).predict(told({"Sr": 1, "O": 1}))
    answer = table.to_pymatgen(0)
    # CaO is like SrO; KCl, NaCl and GaN are less so.
    assert answer.composition.reduced_formula == "SrO"
    assert answer.get_space_group_info()[0] == "Fm-3m"
    # Sr is larger than Ca: the predicted cell is larger than CaO's.
    assert answer.volume > rock_salt(4.8, "Ca", "O").volume


def test_substitution_assigns_elements_with_equal_counts_the_cheaper_way():
    (table,) = fitted(Substitution(), training()).predict(told({"O": 3, "Hf": 1, "Sr": 1}))
    template, answer = training().to_pymatgen(3), table.to_pymatgen(0)
    became = dict(zip(template.symbol_set, template.symbol_set, strict=True))
    for old, new in zip(template, answer, strict=True):
        became[old.specie.symbol] = new.specie.symbol
    assert became == {"Ba": "Sr", "Zr": "Hf", "O": "O"}


def test_the_very_composition_is_answered_as_it_is():
    (table,) = fitted(Substitution(), training()).predict(told({"Na": 1, "Cl": 1}))
    assert table.positions == pytest.approx(training()[2].positions)
    assert table.cells == pytest.approx(training()[2].cells)


def test_a_cell_of_the_asked_size_comes_before_a_nearer_one_of_another_size():
    pair = [wurtzite(3.8, 6.26, "Zn", "S"), rock_salt(4.8, "Ca", "O")]
    floor = fitted(Substitution(), StructureTable.from_pymatgen(pair))
    asked = told({"Zn": 1, "S": 1}, {"Ca": 2, "O": 2})
    assert [table.n_atoms[0] for table in floor.predict(asked)] == [2, 4]
    several = floor.predict(asked, candidates=2)
    assert [[one.n_atoms[0] for one in each] for each in several] == [[2, 4], [4, 2]]


def test_among_equally_near_templates_the_cell_of_the_asked_size_wins():
    polymorphs = StructureTable.from_pymatgen(
        [wurtzite(3.8, 6.26, "Zn", "S"), rock_salt(5.1, "Zn", "S")]
    )
    floor = fitted(Substitution(), polymorphs)
    assert floor.predict(told({"Zn": 1, "S": 1}))[0].n_atoms[0] == 2
    assert floor.predict(told({"Zn": 2, "S": 2}))[0].n_atoms[0] == 4
    # Neither has six atoms: the first in the training set.
    assert floor.predict(told({"Zn": 3, "S": 3}))[0].n_atoms[0] == 4


def test_a_formula_without_template_is_refused_not_guessed():
    asked = told({"Na": 1, "Cl": 1}, {"Al": 7, "O": 3})
    crystal, refusal = fitted(Substitution(), training()).predict(asked)
    assert len(crystal) == 1
    assert isinstance(refusal, Refused) and refusal.reason == "no template"
    assert "A3B7" in refusal.detail


def test_equally_near_templates_come_in_the_order_of_the_training_set():
    crystals = [rock_salt(6.3, "K", "Cl"), rock_salt(5.0, "Ca", "O"), rock_salt(4.8, "Ca", "O")]
    for order in (crystals, crystals[::-1]):
        floor = fitted(Substitution(), StructureTable.from_pymatgen(order))
        ((*several,),) = floor.predict(told({"Ca": 1, "O": 1}), candidates=3)
        volumes = [one.volumes[0] for one in several]
        assert volumes[:2] == pytest.approx([c.volume for c in order if "Ca" in c.symbol_set])


def test_volumes_of_atoms_that_add_up_are_found():
    """A closed form: cells of 10 Å^3 an atom of Na, 20 of Cl, 15 of K, and nothing of xenon."""
    sizes = {"Na": 10.0, "Cl": 20.0, "K": 15.0}
    pairs = [("Na", "Cl"), ("K", "Cl"), ("Na", "K"), ("Na", "Na"), ("Cl", "Cl")]
    cells = [rock_salt((4 * (sizes[a] + sizes[b])) ** (1 / 3), a, b) for a, b in pairs]
    volumes = fitted_volumes(StructureTable.from_pymatgen(cells)[np.arange(100) % 5])
    assert volumes[[11, 17, 19]] == pytest.approx([10, 20, 15], rel=0.02)
    # Of an element without crystals the cube of its covalent radius is all that is known.
    assert volumes[54] / volumes[18] == pytest.approx((1.40 / 1.06) ** 3, rel=1e-4)


def test_a_swapped_template_has_the_volume_of_its_new_atoms():
    train = training()
    volumes = fitted_volumes(train)
    (table,) = fitted(Substitution(), train).predict(told({"Sr": 1, "O": 1}))
    ratio = (volumes[38] + volumes[8]) / (volumes[20] + volumes[8])
    assert table.volumes[0] == pytest.approx(ratio * train.volumes[1], rel=1e-5)


def test_candidates_of_substitution_are_the_nearest_templates_in_turn():
    floor = fitted(Substitution(), training())
    ((*several,),) = floor.predict(told({"Sr": 1, "O": 1}), candidates=3)
    (single,) = floor.predict(told({"Sr": 1, "O": 1}))
    assert several[0].bits_sha256() == single.bits_sha256()
    assert len({table.bits_sha256() for table in several}) == len(several) == 3
    assert {str(table.to_pymatgen(0).composition.reduced_formula) for table in several} == {"SrO"}


def test_random_training_draws_from_training_and_repeats_with_its_seed():
    floor, asked = fitted(RandomTraining(), training()), Told({}, 400)
    first, again, other = (
        StructureTable.concatenate(floor.predict(asked, seed=seed)) for seed in (1, 1, 2)
    )
    assert first.sha256() == again.sha256() != other.sha256()
    formulas = [s.composition.reduced_formula for s in first.iter_pymatgen()]
    assert {formulas.count(f) > 30 for f in set(formulas)} == {True}
    assert len(set(formulas)) == 6


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_mean_cell_is_a_cube_of_the_training_volume_without_collisions(seed, count):
    train = training()
    (table,) = fitted(MeanCell(), train).predict(told({"Si": count}), seed=seed)
    per_atom = (train.volumes / train.n_atoms).mean()
    assert table.volumes[0] == pytest.approx(per_atom * count)
    edge = table.cells[0][0, 0]
    assert table.cells[0] == pytest.approx(edge * np.eye(3))
    distances = table.to_pymatgen(0).distance_matrix + np.eye(count) * 9
    assert distances.min() > max(MIN_DISTANCE, 0.45)


def test_the_ceiling_answers_with_the_target():
    targets = held_out()
    rows = range(len(targets))
    positions = [(targets.row_numbers(row), targets.row_positions(row)) for row in rows]
    answers = Target().predict(Told({"cell": targets.cells, "positions": positions}))
    table = StructureTable.concatenate(answers).with_ids(targets.ids)
    assert table.bits_sha256() == targets.bits_sha256()


def test_declarations_are_checked():
    assert parse_told("composition, tc") == ("composition", "tc")
    assert parse_told("nothing") == ()
    for wrong in ("", "composition,colour"):
        with pytest.raises(UserError, match="told"):
            parse_told(wrong)


def test_perovskites_do_not_serve_as_rock_salt():
    table = StructureTable.from_pymatgen([perovskite(4, "Ba", "Ti", "O")])
    (answer,) = fitted(Substitution(), table).predict(told({"Na": 1, "Cl": 1}))
    assert isinstance(answer, Refused)


class Favours:
    """A potential without forces: one eV for each atom, none in cells of so many."""

    name, version, device = "favours", "1", "cpu"

    def __init__(self, count: int) -> None:
        self._count = count

    def evaluate(self, table: StructureTable) -> Evaluation:
        return Evaluation(
            energies=np.where(table.n_atoms == self._count, 0.0, table.n_atoms),
            forces=np.zeros_like(table.positions),
            stresses=np.zeros((len(table), 3, 3)),
        )


def test_relaxed_substitution_answers_with_the_lowest_energy():
    polymorphs = [rock_salt(5.1, "Zn", "S"), rock_salt(4.8, "Ca", "O")]
    polymorphs.append(wurtzite(3.2, 5.2, "Ga", "N"))
    crystals, asked = StructureTable.from_pymatgen(polymorphs), told({"Zn": 1, "S": 1}, {"Al": 7})
    for count in (2, 4):
        floor = fitted(SubstitutionRelaxed(Favours(count)), crystals)
        first, refusal = floor.predict(asked)
        assert first.n_atoms[0] == count and isinstance(refusal, Refused)
        several = floor.predict(asked, candidates=3)[0]
        assert several[0].bits_sha256() == first.bits_sha256() and len(several) == 3
    # Equal energies: the nearest.
    nearest = fitted(Substitution(), crystals).predict(asked)[0]
    tied = fitted(SubstitutionRelaxed(Favours(2)), crystals).predict(asked)[0]
    assert tied.positions == pytest.approx(nearest.positions)
