"""The model: training crystals of a formula, ranked as templates of a composition by a forest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscale.models.prototype.features import features_of
from matscale.models.prototype.forest import Forest, grown, no_forest
from matscale.models.prototype.geometry import geometry_of
from matscale.models.prototype.pairs import Pairs, pairs_of
from matscale.models.prototype.votes import Votes, agreement, blocks
from matscale.predictors.floors.templates import (
    families,
    family_of,
    fitted_volumes,
    substituted,
)
from matscale.predictors.predictor import Seed, Told
from matscale.predictors.training import Training
from matscale.results.result import PredictorKind
from matscale.runtime.errors import Refused, UserError
from matscale.runtime.exact import settled
from matscale.structures import chemistry
from matscale.structures.chemistry import Composition
from matscale.structures.table import StructureTable


class TemplateRanking:
    """Copies the training crystal that a forest holds to be the right template.

    As the floor ``substitution`` it swaps the elements of a training crystal of the same anonymous
    formula, with as many atoms as asked where there is one, and fits volumes to training; which
    crystal, a forest says that has learnt from all pairs of training crystals whether one is the
    other with swapped elements. Pairs of one compound are not learnt from.

    Args:
        trees: Of the forest, each of which corrects those before it.
        rate: Share of its correction that a tree makes.
        depth: Of a tree.
        leaf: Fewest pairs in a leaf.
        columns: Share of the features that a split may look at.
        share: Share of the pairs that a tree sees.
        rms: A template is right for a crystal up to this rms displacement, in (V/n)^(1/3).
        templates: Nearest training crystals of the formula that are ranked at most.
        examples: Training crystals at most whose templates the forest learns from.
        seed: Of the forest.
    """

    name = "prototype"
    kind: PredictorKind = "model"
    told: tuple[str, ...] = ("composition",)

    def __init__(
        self,
        *,
        trees: int = 150,
        rate: float = 0.05,
        depth: int = 4,
        leaf: int = 20,
        columns: float = 0.15,
        share: float = 0.25,
        rms: float = 0.3,
        templates: int = 300,
        examples: int = 2000,
        seed: int = 0,
    ) -> None:
        self._growth = {
            "n_estimators": trees,
            "learning_rate": rate,
            "max_depth": depth,
            "min_samples_leaf": leaf,
            "max_features": columns,
            "subsample": share,
            "random_state": seed,
        }
        self._rms, self._templates, self._examples = rms, templates, examples
        self._seed = seed

    def fit(self, training: Training) -> None:
        """Match the training crystals with each other's templates and grow the forest.

        Raises:
            UserError: If there are no training crystals, or scikit-learn is not installed.
        """
        self._know(training.crystals)
        pairs = self._training_pairs()
        self._agrees = agreement(pairs, self._crystals, self._rms)
        self._votes = Votes(pairs, self._agrees, len(self._crystals))
        self._forest = self._grown(pairs, self._agrees)

    def predict(self, told: Told, candidates: int = 1, seed: Seed = 0) -> Sequence[Any]:
        """Crystals of the best templates; refused where no training crystal has the formula.

        Of several candidates those come first that are no other's crystal with swapped elements.
        """
        asked = told.column("composition")
        pairs = self._nearest(pairs_of(asked, self._families))
        scores = self._scores(pairs)
        found: list[Any] = [family_of(self._families, one) for one in asked]
        for block in blocks(pairs):
            some = pairs[block]
            order = np.lexsort((some.ranks, -scores[block], some.other_size))
            if candidates > 1:
                order = self._various(some.template[order], order)
            found[some.asked[0]] = [self._answer(some, row) for row in order[:candidates].tolist()]
        if candidates > 1:
            return found
        return [one if isinstance(one, Refused) else one[0] for one in found]

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learnt; with the training crystals it makes up the model again."""
        limits = {"templates": np.array(self._templates)}
        return {**self._forest.arrays(), **limits, "agrees": self._agrees}

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, np.ndarray], crystals: StructureTable
    ) -> TemplateRanking:
        """From what :meth:`arrays` gave, and the crystals that it was trained on.

        Raises:
            UserError: If an array is missing, or belongs to other crystals.
        """
        if missing := [name for name in ("agrees", "templates") if name not in arrays]:
            raise UserError(f"the model lacks its {', '.join(missing)}; train it again")
        model = cls(templates=int(arrays["templates"]))
        model._know(crystals)
        model._forest = Forest.of_arrays(arrays)
        model._agrees = np.asarray(arrays["agrees"], bool)
        pairs = model._training_pairs()
        if len(pairs) != len(model._agrees):
            raise UserError(
                f"the model was trained on {len(model._agrees)} pairs of crystals of one formula, "
                f"these crystals make {len(pairs)}; give the crystals that it was trained on"
            )
        model._votes = Votes(pairs, model._agrees, len(crystals))
        return model

    def _know(self, crystals: StructureTable) -> None:
        """What follows from the training crystals alone."""
        if not len(crystals):
            raise UserError("there are no training crystals to take templates from; give some")
        self._crystals = crystals
        self._families = families(crystals)
        self._volumes = fitted_volumes(crystals)
        self._geometry = geometry_of(crystals, self._families)
        self._compositions: list[Composition] = [
            chemistry.composition(crystals.row_numbers(row)) for row in range(len(crystals))
        ]

    def _training_pairs(self) -> Pairs:
        return self._nearest(pairs_of(self._compositions, self._families))

    def _nearest(self, pairs: Pairs) -> Pairs:
        return pairs[pairs.ranks < self._templates]

    def _grown(self, pairs: Pairs, right: np.ndarray) -> Forest:
        """The forest; without a tree where there is nothing to learn from."""
        learnt = self._learnt_from(pairs)
        pairs, right = pairs[learnt], right[learnt]
        if not right.any() or right.all():
            return no_forest()
        features = self._features(pairs)
        chosen = _of_asked_size(pairs)
        pairs, right = pairs[chosen], right[chosen]
        weights = 1 / np.bincount(pairs.asked)[pairs.asked]  # crystals count alike
        return grown(
            features[chosen],
            right,
            weights / weights.mean(),
            **self._growth,
        )

    def _learnt_from(self, pairs: Pairs) -> np.ndarray:
        """Pairs of two compounds, of so many crystals at most as are wanted, (p,) bool."""
        units: dict[Composition, int] = {}
        places = np.array(
            [units.setdefault(chemistry.reduced(one), len(units)) for one in self._compositions]
        )
        order = np.random.default_rng(self._seed).permutation(len(places))
        wanted = np.zeros(len(places), bool)
        wanted[order[: self._examples]] = True
        return wanted[pairs.asked] & (places[pairs.asked] != places[pairs.template])

    def _features(self, pairs: Pairs) -> np.ndarray:
        seen = features_of(pairs, self._geometry, self._volumes)
        return np.concatenate([seen, self._votes.features(pairs)], axis=1)

    def _scores(self, pairs: Pairs) -> np.ndarray:
        """Log-odds that each pair's template is right, (p,); all alike without a tree."""
        if not len(self._forest.roots) or not len(pairs):
            return np.zeros(len(pairs))
        return settled(self._forest.predict(self._features(pairs)))

    def _various(self, templates: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The same order, but first what no earlier one is with swapped elements."""
        right, _ = self._votes.among(templates)
        like = (right + right.T) > 0
        first: list[int] = []
        for place in range(len(order)):
            if not like[place, first].any():
                first.append(place)
        chosen = set(first)
        return order[first + [place for place in range(len(order)) if place not in chosen]]

    def _answer(self, pairs: Pairs, row: int) -> StructureTable:
        there = pairs.counts[row] > 0
        return substituted(
            self._crystals[int(pairs.template[row])],
            pairs.old[row, there].tolist(),
            pairs.new[row, there].tolist(),
            self._volumes,
        )


def _of_asked_size(pairs: Pairs) -> np.ndarray:
    """Pairs that stand a chance, (p,) bool: of the asked size, or all where none is."""
    some = np.bincount(pairs.asked, ~pairs.other_size) > 0
    return ~pairs.other_size | ~some[pairs.asked]
