"""What every listed floor and ceiling keeps to, and what is said of a predictor that does not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from crystals import held_out, training
from matscale.figures.items import Figure
from matscale.predictors.predictor import Told
from matscale.predictors.registry import CEILINGS, FIELDS, FLOORS
from matscale.predictors.training import CrystalTraining, Training, crystal_fields
from matscale.predictors.validate import validate_predictor
from matscale.runtime.errors import Refused, UserError
from matscale.structures.table import StructureTable
from matscale.tasks.asking import crystal
from matscale.tasks.particles.asking import telling as telling_of_particles
from matscale.tasks.particles.crystal_to_particle import measuring as to_particle
from matscale.tasks.particles.particle_to_crystal import measuring as to_crystal
from matscale.tasks.particles.question import ask
from matscale.tasks.particles.training import training_samples
from matscale.tasks.perception.rows import telling as telling_of_figures
from matscale.tasks.task import TASKS
from particle_tasks import holds, reachable, small_set

LISTED = [
    pytest.param(task, factory, id=f"{task}-{factory().name}")
    for registry in (FLOORS, CEILINGS)
    for task, factories in registry.items()
    for factory in factories
]


@dataclass(frozen=True)
class Samples:
    """A few samples of a task.

    Attributes:
        tell: Fields to what a predictor is told, of all samples.
        training: What it learns from.
        check: Of answers.
        secrets: Cells of the right answers, which nothing in training has.
    """

    tell: Callable[[tuple[str, ...]], Told]
    training: Training | None
    check: Callable[[Any], Any]
    secrets: tuple[np.ndarray, ...] = ()


@cache
def samples_of(task: str) -> Samples:
    if task == "reconstruction":
        table = held_out()
        rows = range(len(table))

        def tell(fields):
            return Told.of([crystal_fields(table, row, fields, {}) for row in rows], fields)

        return Samples(tell, CrystalTraining(training()), crystal, tuple(table.lattices))
    if task == "novelty":
        return Samples(lambda fields: Told({}, 2), CrystalTraining(training()), crystal)
    if task == "perception":
        return Samples(_figures, None, lambda answer: answer)
    return _particles(task)


def _particles(task: str) -> Samples:
    particles = small_set("diverse", [0, 3, 5, 8, 11])
    held = np.arange(5) >= 3
    particles = replace(particles, materials=particles.materials.with_columns(held_out=held))
    question = ask(particles, by="material")
    cell = task == "crystal-to-particle"
    groups = to_crystal.targets_of(particles.materials).groups
    learnt = training_samples(particles, "material", groups, shuffle=None if cell else 0)
    telling = telling_of_particles(question, (), cell)
    rows = range(4)

    def tell(fields):
        return Told.of([telling.tell(row, fields) for row in rows], fields)

    check = to_particle.check if cell else to_crystal.check
    return Samples(tell, learnt, check, tuple(particles.materials.lattices[held]))


def _figures(fields: tuple[str, ...]) -> Told:
    from figure_samples import choice, opened

    figures = [Figure(f"mcq/{k}", choice(k), "mcq") for k in range(3)]
    if set(fields) & {"caption", "another_paragraph"}:
        figures = [Figure(f"open/{k}", opened(k), "open") for k in range(3)]
    telling = telling_of_figures(figures, seed=0)
    return Told.of([telling.tell(row, fields) for row in range(3)], fields)


def fitted(factory: Any, samples: Samples) -> Any:
    predictor = factory()
    if hasattr(predictor, "fit"):
        predictor.fit(samples.training.only(predictor.told))
    return predictor


@pytest.mark.parametrize(("task", "factory"), LISTED)
def test_a_listed_predictor_keeps_the_contract(task, factory):
    samples, predictor = samples_of(task), factory()
    told = samples.tell(predictor.told)
    # Of what it does not declare nothing is there to be looked at.
    assert told.fields == predictor.told and set(told.fields) <= FIELDS[task].keys()
    validate_predictor(predictor, task, training=samples.training, told=told, check=samples.check)


@pytest.mark.parametrize(("task", "factory"), LISTED)
def test_a_listed_predictor_answers_each_sample_or_says_why_not(task, factory):
    samples = samples_of(task)
    predictor = fitted(factory, samples)
    told = samples.tell(predictor.told)
    answers = list(predictor.predict(told))
    assert len(answers) == len(told)
    for answer in answers:
        if isinstance(answer, Refused):
            assert answer.reason and answer.detail
        else:
            samples.check(answer)


@pytest.mark.parametrize(("task", "factory"), LISTED)
def test_a_listed_predictor_gives_several_different_candidates_or_one(task, factory):
    samples = samples_of(task)
    predictor = fitted(factory, samples)
    told = samples.tell(predictor.told)
    several = predictor.predict(told, candidates=3, seed=1)
    assert len(several) == len(told)
    for candidates in several:
        if isinstance(candidates, Refused):
            continue
        assert 1 <= len(candidates) <= 3
        seen = [_bits(one) for one in candidates]
        assert len(set(seen)) == len(seen)
        for one in candidates:
            if one is not None and not isinstance(one, Refused):
                samples.check(one)


def _bits(answer: Any) -> Any:
    if isinstance(answer, StructureTable):
        return answer.bits_sha256()
    if isinstance(answer, tuple):
        return tuple(_bits(part) for part in answer)
    return answer.tobytes() if isinstance(answer, np.ndarray) else str(answer)


@pytest.mark.parametrize(("task", "factory"), LISTED)
def test_a_listed_predictor_has_learnt_from_training_alone(task, factory):
    samples = samples_of(task)
    predictor = fitted(factory, samples)
    found = reachable([predictor.__dict__])
    assert not any(holds(found, secret) for secret in samples.secrets)


def test_a_leak_would_be_found():
    samples = samples_of("reconstruction")
    assert holds(reachable([{"leak": held_out()}]), samples.secrets[0])


def test_every_task_has_its_floors_ceilings_and_fields():
    assert set(TASKS) == FLOORS.keys() == CEILINGS.keys() == FIELDS.keys()


# --- what is told ------------------------------------------------------------------------


def test_told_is_a_sequence_that_cannot_be_changed():
    told = Told({"tc": [1.0, 2.0, 3.0], "volume": [10, 20, 30]})
    assert (len(told), told.fields) == (3, ("tc", "volume"))
    assert told[-1] == {"tc": 3.0, "volume": 30} and [one["tc"] for one in told] == [1, 2, 3]
    assert told.column("volume") == (10, 20, 30)
    assert told.only(["tc"]).fields == ("tc",) and len(told.only([])) == 3
    assert told[1:].column("tc") == (2.0, 3.0)
    told[0]["tc"] = 9.0
    assert told[0]["tc"] == 1.0
    with pytest.raises(TypeError):
        told[0] = {}
    with pytest.raises(IndexError):
        told[3]
    with pytest.raises(ValueError, match="one value each"):
        Told({"tc": [1.0], "volume": [1, 2]})


# --- predictors that break the contract --------------------------------------------------


class Sound:
    """Keeps the contract; the classes below break it in one way each."""

    name = "mine"
    told: Any = ("volume",)

    def predict(self, told, candidates=1, seed=0):
        return [held_out()[0] for _ in told]


class NoPredict:
    name = "mine"


class Nameless(Sound):
    name = ""


class OfAnotherKind(Sound):
    kind = "oracle"


class Curious(Sound):
    told = ("colour",)


class Unlisted(Sound):
    told = 5


class FitIsData(Sound):
    fit = "yes"


class FitFails(Sound):
    def fit(self, training):
        raise ZeroDivisionError("no epochs")


class PredictFails(Sound):
    def predict(self, told):
        return [one["cell"] for one in told]


class Short(Sound):
    def predict(self, told):
        return [None]


class Dictionary(Sound):
    def predict(self, told):
        return dict.fromkeys(range(len(told)))


class Single(Sound):
    def predict(self, told):
        return held_out().to_pymatgen(0)


class Nothing(Sound):
    def predict(self, told):
        return None


class Restless(Sound):
    def predict(self, told, candidates=1, seed=0):
        return [held_out()[int(np.random.default_rng().integers(12))] for _ in told]


class Unreadable(Sound):
    def predict(self, told):
        return ["NaCl" for _ in told]


class Generous(Sound):
    def predict(self, told, candidates=1, seed=0):
        if candidates == 1:
            return super().predict(told)
        return [[held_out()[0]] * 10 for _ in told]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Sound, r"Sound is a class.* give Sound\(\)"),
        (NoPredict(), "has no method predict"),
        (Nameless(), "has no name; give it name = 'my-model'"),
        (OfAnotherKind(), "of kind 'oracle'; give floor, ceiling, model"),
        (Curious(), "asks to be told 'colour'; what can be told is composition, tc"),
        (Unlisted(), "declares told = 5; give a tuple"),
        (FitIsData(), r"fit of the predictor 'mine' is not a method"),
        (FitFails(), r"fit\(training\) of .* raised ZeroDivisionError: no epochs"),
        (PredictFails(), r"predict\(told\) of .* raised KeyError: 'cell'"),
        (Short(), "returned 1 answers to 12 samples; return one each"),
        (Dictionary(), "returned a dict; return a list"),
        (Single(), "returned a Structure; return a list"),
        (Nothing(), "returned a NoneType; return a list"),
        (Restless(), "otherwise when it is asked again with the same seed"),
        (Unreadable(), "no answer .* can be read; the first: unreadable: a str"),
        (Generous(), "10 candidates for sample 0 where 3 are wanted"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(type(value), "__name__", ""),
)
def test_a_broken_predictor_is_told_so_in_a_sentence(broken, said):
    samples = samples_of("reconstruction")
    told = samples.tell(("volume",))
    with pytest.raises(UserError, match=said):
        validate_predictor(
            broken, "reconstruction", training=samples.training, told=told, check=crystal
        )


def test_declarations_are_looked_at_without_samples():
    validate_predictor(Sound(), "reconstruction")
    with pytest.raises(UserError, match="no task 'reconstruct'; did you mean 'reconstruction'"):
        validate_predictor(Sound(), "reconstruct")
    with pytest.raises(UserError, match="what can be told is nothing"):
        validate_predictor(Sound(), "novelty")
    with pytest.raises(UserError, match="is told volume, which these samples do not have"):
        validate_predictor(Sound(), "reconstruction", told=Told({}, 2))
