"""Predictors of a user's own in the harness of the particle tasks, and what they are asked."""

import numpy as np
import pytest

import matscale
from matscale.api import score
from matscale.runtime.errors import Refused, UserError
from matscale.tasks.particles import question as asking
from matscale.tasks.particles.crystal_to_particle.measuring import check as check_particle
from matscale.tasks.particles.particle_to_crystal.measuring import check as check_cell
from matscale.tasks.particles.particle_to_crystal.measuring import targets_of
from particle_tasks import Constant, holds, reachable

# --- predictors of one's own -----------------------------------------------------------------


class Spy:
    """Keeps all it is given, and answers with the mean training cell."""

    name = "spy"

    def fit(self, training):
        self.training = training
        self.mean = np.mean([one.lattice for one in training[:3]], axis=0)

    def predict(self, told):
        self.told = told
        self.found = reachable([told, self.training, self.__dict__])
        return [(self.mean, 1) for _ in told]


def test_a_predictor_sees_what_it_is_told_and_nothing_else(particles):
    spy = Spy()
    card = matscale.api.score("particle-to-crystal", spy, data=particles, split="material")
    assert set(spy.told[0]) == {"numbers", "positions"} == set(card["spy"].predictor.told)
    assert not card["spy"].predictor.told_the_answer
    assert spy.told[0]["positions"].base is None and spy.told[0]["numbers"].base is None
    assert holds(spy.found, spy.told[0]["positions"]) and holds(spy.found, spy.training[0].lattice)
    held_out = np.flatnonzero(particles.held_out)
    assert len(held_out)
    targets = targets_of(particles.materials)
    names = {str(particles.materials.ids[row]) for row in held_out}
    for row in held_out:
        assert not holds(spy.found, particles.materials.lattices[row])
        assert not holds(spy.found, targets.given[row])
    assert not names & {
        one
        for thing in spy.found
        if isinstance(thing, list)
        for one in thing
        if isinstance(one, str)
    }
    assert not names & {str(one) for one in spy.training.particles.materials.ids}
    assert spy.training.particles.radii.keys() == {"train"}
    assert {key[0] for key in spy.training.particles.quaternions} == {"train"}
    assert spy.training.particles.particles.columns["radius"].max() == 9


def test_a_walk_would_find_a_leak(particles):
    class Leaky:
        pass

    leaky = Leaky()
    leaky.told = (lambda secret: lambda: secret)(particles)
    assert holds(reachable([leaky]), particles.materials.lattices[0])


def test_changing_what_is_told_changes_no_truth(hydrides):
    class Vandal:
        def predict(self, told):
            for one in told:
                one["positions"][:] = 0
                one["numbers"][:] = 1
            return [(np.array([4.0, 4, 4, 90, 90, 90]), 221)] * len(told)

    before = hydrides.sha256
    honest = score(
        "particle-to-crystal",
        Constant((np.array([4.0, 4, 4, 90, 90, 90]), 221)),
        data=hydrides,
        workers=1,
    )
    vandal = score("particle-to-crystal", Vandal(), data=hydrides, workers=1)
    assert hydrides.__class__.sha256.func(hydrides) == before
    assert vandal["Vandal"].metrics == honest["constant"].metrics


def test_failures_of_a_predictor_are_counted(hydrides):
    class Moody:
        name = "moody"
        asked = 0

        def predict(self, told):
            if len(told) > 1:
                raise RuntimeError("too many")
            self.asked += 1
            if self.asked % 3 == 0:
                raise ValueError("no idea")
            return [None if self.asked % 3 == 1 else (np.array([4.0, 4, 4, 90, 90, 90]), 221)]

    result = score("particle-to-crystal", Moody(), data=hydrides, workers=1)["moody"]
    assert result.counts.submitted == 10
    assert (result.counts.read, result.counts.missing) == (3, 4)
    assert result.counts.refused == {"predictor raised an error": 3}
    assert "no idea" in result.refused[0].detail


class Tensor:
    """Refuses to be read as torch does where a gradient is kept or the device is another."""

    def __init__(self, values, graph=True, device="cuda"):
        self.values, self.graph, self.device = np.array(values, np.float64), graph, device

    def detach(self):
        return Tensor(self.values, False, self.device)

    def cpu(self):
        return Tensor(self.values, self.graph, "cpu")

    def __array__(self, dtype=None, copy=None):
        if self.graph:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        if self.device != "cpu":
            raise TypeError("can't convert cuda device type tensor to numpy")
        return self.values.astype(dtype or np.float64)


def test_a_tensor_is_taken_off_its_graph_and_device():
    cell = [4, 4, 4, 90, 90, 90]
    answer = check_cell((Tensor(cell), Tensor(221)))
    assert answer.parameters.tolist() == cell and answer.group == 221
    numbers, positions = check_particle((Tensor([55, 17]), Tensor(np.ones((2, 3)))))
    assert numbers.tolist() == [55, 17] and positions.tolist() == np.ones((2, 3)).tolist()


def test_an_answer_that_raises_when_it_is_read_is_a_failed_answer(hydrides):
    class Graphs:
        def predict(self, told):
            return [([Tensor(4) for _ in range(6)], 221) for _ in told]

    result = score("particle-to-crystal", Graphs(), data=hydrides, workers=1)["Graphs"]
    assert result.counts.refused == {"unreadable": result.counts.submitted}
    assert "requires grad" in result.refused[0].detail
    with pytest.raises(Refused, match="size 1") as refusal:
        check_cell((np.ones(6), Tensor([1, 2])))
    assert refusal.value.reason == "unreadable"


def test_predictors_that_are_none(hydrides):
    class Short:
        def predict(self, told):
            return []

    class Curious:
        told = ("the answer",)

        def predict(self, told):
            return told

    for wrong, said in (
        (object(), "predict"),
        (Short(), "0 answers"),
        (Curious(), "the answer"),
        (Short, r"Short is a class.* give Short\(\)"),
    ):
        with pytest.raises(UserError, match=said):
            score("particle-to-crystal", wrong, data=hydrides)
    twins = [Constant(None), Constant(None)]
    with pytest.raises(UserError, match="two submissions are called 'constant'"):
        score("particle-to-crystal", twins, data=hydrides)


def test_one_field_may_be_named_alone(hydrides):
    class Alone(Constant):
        told = "positions"

    answer = (np.array([4.0, 4, 4, 90, 90, 90]), 221)
    result = score("particle-to-crystal", Alone(answer), data=hydrides, workers=1)["constant"]
    assert result.predictor.told == ("positions",)
    assert result.counts.read == result.counts.submitted


def test_being_told_the_answer_shows(hydrides):
    class Told:
        name = "told"
        told = ("lattice",)

        def predict(self, told):
            return [(one["lattice"], 221) for one in told]

    result = score("particle-to-crystal", Told(), data=hydrides, workers=1)["told"]
    assert result.predictor.told_the_answer
    assert result.metrics["joint_rate"].value == 1


# --- the sample ------------------------------------------------------------------------------


def test_samples_are_even_and_drawn_by_seed(particles):
    one, same, other = (asking.ask(particles, limit=2, seed=seed) for seed in (1, 1, 2))
    assert one.ids.tolist() == same.ids.tolist() != other.ids.tolist()
    keys = np.column_stack([one.samples.material, one.samples.radius])
    assert set(np.unique(keys, axis=0, return_counts=True)[1]) == {2}
    assert "drawn with seed 1" in one.notes()[0]
    everything = asking.ask(particles, limit=10_000)
    assert len(everything) == everything.available == 10 * (92 + 163) and not everything.notes()


def test_few_materials_at_each_radius_are_all_materials_in_turn(monkeypatch, particles):
    monkeypatch.setattr(asking, "MATERIALS", 5)
    few = asking.ask(particles, limit=None)
    assert np.unique(few.samples.radius, return_counts=True)[1].tolist() == [5, 5]
    assert len(np.unique(few.samples.material)) == 10
