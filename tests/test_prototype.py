"""Templates ranked by a forest: what it learns, keeps and refuses."""

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure
from sklearn.ensemble import GradientBoostingClassifier

from crystals import training
from matscale.matching.batch import match_pairs
from matscale.models.prototype import TemplateRanking
from matscale.models.prototype.forest import Forest, of_sklearn
from matscale.models.prototype.geometry import geometry_of
from matscale.predictors.floors.substitution import Substitution
from matscale.predictors.floors.templates import families
from matscale.predictors.predictor import Told
from matscale.predictors.training import CrystalTraining
from matscale.predictors.validate import validate_predictor
from matscale.runtime.errors import Refused, UserError
from matscale.structures import chemistry
from matscale.structures.symmetry import space_group
from matscale.structures.table import StructureTable

METALS = ("Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba", "Mn", "Fe", "Co", "Ni", "Zn", "Cd")
OTHERS = ("O", "S", "Se", "Te", "F", "Cl", "Br", "I")


def rock_salt(a: float, first: str, second: str) -> Structure:
    """As of ``crystals``, without the search for the primitive cell."""
    faces = a / 2 * (np.ones((3, 3)) - np.eye(3))
    return Structure(Lattice(faces), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])


def caesium_chloride(a: float, first: str, second: str) -> Structure:
    return Structure(Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5, 0.5, 0.5]])


def sorted_by_partner() -> StructureTable:
    """120 compounds: rock salt, but with chalcogens of odd rows and halogens of even rows CsCl.

    The nearest compound is often of the other kind; the rule is one of the anion.
    """
    crystals = []
    for metal in METALS:
        for other in OTHERS:
            element = Element(other)
            odd = (element.row + element.group) % 2
            crystals.append((caesium_chloride if odd else rock_salt)(4.5, metal, other))
    return StructureTable.from_pymatgen(crystals)


def split(table: StructureTable) -> tuple[StructureTable, StructureTable]:
    held = np.random.default_rng(0).permutation(len(table)) < 30
    return table[~held], table[held]


def told_of(table: StructureTable) -> Told:
    rows = range(len(table))
    return Told({"composition": [chemistry.composition(table.row_numbers(row)) for row in rows]})


def rate(predictor, train: StructureTable, held: StructureTable) -> float:
    predictor.fit(CrystalTraining(train))
    made = StructureTable.concatenate(predictor.predict(told_of(held)))
    rows = np.arange(len(held))
    return float(match_pairs(made, held, np.stack([rows, rows], axis=1)).matched.mean())


@pytest.fixture(scope="module")
def model() -> TemplateRanking:
    train, _ = split(sorted_by_partner())
    ranking = TemplateRanking(trees=30, rate=0.2)
    ranking.fit(CrystalTraining(train))
    return ranking


def test_a_rule_of_the_elements_is_learnt():
    train, held = split(sorted_by_partner())
    assert rate(TemplateRanking(trees=30, rate=0.2), train, held) >= 0.9
    assert rate(Substitution(), train, held) <= 0.8


def test_it_keeps_the_contract_of_predictors(model):
    train, held = split(sorted_by_partner())
    again = TemplateRanking(trees=5)
    validate_predictor(
        again, "reconstruction", training=CrystalTraining(train), told=told_of(held)[:5]
    )
    assert isinstance(model.predict(Told({"composition": [((13, 7), (8, 3))]}))[0], Refused)


def test_what_is_kept_answers_alike(model):
    train, held = split(sorted_by_partner())
    kept = {name: np.array(values.tolist()) for name, values in model.arrays().items()}
    again = TemplateRanking.of_arrays(kept, train)
    for candidates in (1, 4):
        first, second = (one.predict(told_of(held), candidates) for one in (model, again))
        assert [_bits(one) for one in first] == [_bits(one) for one in second]


def _bits(answer):
    if isinstance(answer, StructureTable):
        return answer.bits_sha256()
    return [one.bits_sha256() for one in answer]


def test_the_same_seed_gives_the_same_forest(model):
    train, _ = split(sorted_by_partner())
    again = TemplateRanking(trees=30, rate=0.2)
    again.fit(CrystalTraining(train))
    for name, values in model.arrays().items():
        assert np.array_equal(values, again.arrays()[name])


def test_the_second_candidate_is_another_prototype(model):
    _, held = split(sorted_by_partner())
    for first, second in model.predict(told_of(held), candidates=2):
        groups = {
            space_group(one.numbers, one.positions, one.lattices[0]) for one in (first, second)
        }
        assert groups == {221, 225}


def test_trees_answer_as_scikit_learn():
    generator = np.random.default_rng(1)
    features = generator.normal(size=(400, 6)).astype(np.float32)
    labels = features[:, 0] * features[:, 1] > 0.2
    weights = generator.random(400) + 0.5
    settings = {"n_estimators": 20, "subsample": 0.5, "max_features": 0.5, "random_state": 0}
    theirs = GradientBoostingClassifier(**settings).fit(features, labels, sample_weight=weights)
    share = float(np.average(labels, weights=weights))
    # On thresholds too, where single precision decides.
    asked = np.concatenate([features, np.full((1, 6), theirs.estimators_[0, 0].tree_.threshold[0])])
    ours = of_sklearn(theirs, share).predict(asked)
    assert ours == pytest.approx(theirs.decision_function(asked.astype(np.float32)), abs=1e-9)


def test_nothing_to_learn_leaves_the_order_of_the_floor():
    """Crystals of one compound say nothing of others, nor do two compounds that are alike."""
    polymorphs = [rock_salt(5.6, "Na", "Cl"), caesium_chloride(3.5, "Na", "Cl")]
    for crystals in (StructureTable.from_pymatgen(polymorphs), training()):
        learnt, floor = TemplateRanking(trees=5), Substitution()
        asked = Told({"composition": [((8, 1), (38, 1))]})
        for one in (learnt, floor):
            one.fit(CrystalTraining(crystals))
        first, second = learnt.predict(asked)[0], floor.predict(asked)[0]
        assert first.bits_sha256() == second.bits_sha256()


def test_geometry_of_textbook_crystals():
    table = StructureTable.from_pymatgen(
        [rock_salt(5.64, "Na", "Cl"), caesium_chloride(4.12, "Cs", "Cl")]
    )
    found = geometry_of(table, families(table))
    assert found.groups.tolist() == [225, 221]
    # Six and eight unlike neighbours; CsCl's six like ones are 2/sqrt(3) as far: neighbours too.
    assert found.neighbours[:, 0, 1].tolist() == [6, 8]
    assert found.neighbours[:, 0, 0].tolist() == [0, 6]
    # Half the edge, in cube roots of an eighth of the cell; sqrt(3)/2 of the edge, of a half.
    assert found.contacts[:, 0, 1] == pytest.approx([1, np.sqrt(3) / 2 * 2 ** (1 / 3)], abs=1e-5)


def test_what_does_not_belong_together_is_said(model):
    train, _ = split(sorted_by_partner())
    arrays = model.arrays()
    with pytest.raises(UserError, match="no training crystals"):
        TemplateRanking().fit(CrystalTraining(train[:0]))
    with pytest.raises(UserError, match="lacks its agrees"):
        TemplateRanking.of_arrays({k: v for k, v in arrays.items() if k != "agrees"}, train)
    with pytest.raises(UserError, match="lacks its threshold"):
        Forest.of_arrays({k: v for k, v in arrays.items() if k != "threshold"})
    with pytest.raises(UserError, match="give the crystals that it was trained on"):
        TemplateRanking.of_arrays(arrays, train[1:])
    circle = {**arrays, "left": np.where(arrays["left"] >= 0, 0, -1)}
    with pytest.raises(UserError, match="do not make up trees"):
        Forest.of_arrays(circle)
