"""Floors do what their descriptions say, from what they are told and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystals import held_out, perovskite, rock_salt, training, wurtzite
from matscale.predictors.ceilings import Target
from matscale.predictors.floors import CRYSTAL_FLOORS, MeanCell, RandomTraining, Substitution
from matscale.predictors.predictor import Told, parse_told
from matscale.runtime.errors import UserError
from matscale.structures import chemistry
from matscale.structures.checks import MIN_DISTANCE
from matscale.structures.table import StructureTable


def told(*formulas: dict[str, int]) -> Told:
    cells = [
        tuple(sorted((chemistry.chemical_symbols.index(s), n) for s, n in formula.items()))
        for formula in formulas
    ]
    return Told([f"t{k}" for k in range(len(cells))], {"composition": cells})


def test_substitution_takes_the_nearest_element_and_swaps_it():
    reading = Substitution(training(), 0).predict(told({"Sr": 1, "O": 1}))
    answer = reading.table.to_pymatgen(0)
    # CaO is one step from SrO on the modified Pettifor scale; KCl, NaCl and GaN are further.
    assert answer.composition.reduced_formula == "SrO"
    assert answer.get_space_group_info()[0] == "Fm-3m"
    assert reading.table.ids[0] == "t0"
    # Sr is larger than Ca: the predicted cell is larger than CaO's.
    assert answer.volume > rock_salt(4.8, "Ca", "O").volume


def test_substitution_assigns_elements_with_equal_counts_the_cheaper_way():
    reading = Substitution(training(), 0).predict(told({"O": 3, "Hf": 1, "Sr": 1}))
    template, answer = training().to_pymatgen(3), reading.table.to_pymatgen(0)
    became = dict(zip(template.symbol_set, template.symbol_set, strict=True))
    for old, new in zip(template, answer, strict=True):
        became[old.specie.symbol] = new.specie.symbol
    assert became == {"Ba": "Sr", "Zr": "Hf", "O": "O"}


def test_the_very_composition_is_answered_as_it_is():
    reading = Substitution(training(), 0).predict(told({"Na": 1, "Cl": 1}))
    assert reading.table.positions == pytest.approx(training()[2].positions)
    assert reading.table.cells == pytest.approx(training()[2].cells)


def test_among_equally_near_templates_the_cell_of_the_asked_size_wins():
    polymorphs = StructureTable.from_pymatgen(
        [wurtzite(3.8, 6.26, "Zn", "S"), rock_salt(5.1, "Zn", "S")]
    )
    floor = Substitution(polymorphs, 0)
    assert floor.predict(told({"Zn": 1, "S": 1})).table.n_atoms[0] == 2
    assert floor.predict(told({"Zn": 2, "S": 2})).table.n_atoms[0] == 4
    # Neither has six atoms: the first in the training set.
    assert floor.predict(told({"Zn": 3, "S": 3})).table.n_atoms[0] == 4


def test_a_formula_without_template_is_refused_not_guessed():
    reading = Substitution(training(), 0).predict(told({"Na": 1, "Cl": 1}, {"Al": 7, "O": 3}))
    assert reading.submitted == 2
    assert reading.refused_by_reason == {"no template": 1}
    assert "A3B7" in reading.refusals[0].detail


def test_random_training_draws_from_training_and_repeats_with_its_seed():
    asked = Told([str(k) for k in range(400)], {})
    first, again, other = (RandomTraining(training(), s).predict(asked).table for s in (1, 1, 2))
    assert first.sha256() == again.sha256() != other.sha256()
    formulas = [s.composition.reduced_formula for s in first.iter_pymatgen()]
    assert {formulas.count(f) > 30 for f in set(formulas)} == {True}
    assert len(set(formulas)) == 6


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_mean_cell_is_a_cube_of_the_training_volume_without_collisions(seed, count):
    train = training()
    table = MeanCell(train, seed).predict(told({"Si": count})).table
    per_atom = (train.volumes / train.n_atoms).mean()
    assert table.volumes[0] == pytest.approx(per_atom * count)
    edge = table.cells[0][0, 0]
    assert table.cells[0] == pytest.approx(edge * np.eye(3))
    distances = table.to_pymatgen(0).distance_matrix + np.eye(count) * 9
    assert distances.min() > max(MIN_DISTANCE, 0.45)


def test_the_ceiling_answers_with_the_target():
    targets = held_out()
    reading = Target(targets).predict(Told(tuple(targets.ids), {}))
    assert reading.table.sha256() == targets.sha256()


def test_floors_ask_only_for_what_they_declare():
    for floor in CRYSTAL_FLOORS:
        asked = told({"Na": 1, "Cl": 1}).only(floor.told)
        assert floor(training(), 0).predict(asked).submitted == 1


def test_declarations_are_checked():
    assert parse_told("composition, tc") == ("composition", "tc")
    assert parse_told("nothing") == ()
    for wrong in ("", "composition,colour"):
        with pytest.raises(UserError, match="told"):
            parse_told(wrong)


def test_perovskites_do_not_serve_as_rock_salt():
    table = StructureTable.from_pymatgen([perovskite(4, "Ba", "Ti", "O")])
    assert not len(Substitution(table, 0).predict(told({"Na": 1, "Cl": 1})).table)
