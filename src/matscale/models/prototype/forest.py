"""Boosted decision trees as plain arrays: grown by scikit-learn, asked without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscale.runtime.errors import UserError


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees one after another, n nodes in all.

    Attributes:
        roots: Node at which each tree starts, (trees,).
        left: Node to go to where the feature is at most the threshold, (n,); -1 at a leaf.
        right: The other node, (n,); -1 at a leaf.
        feature: Column that a node looks at, (n,).
        threshold: What it is compared with, (n,).
        value: What a leaf adds, (n,).
        start: What there is before the first tree, ().
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    start: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Sum over the trees, (rows,); as in scikit-learn, features count in single precision.

        It is the logarithm of the odds that a label is true.

        Args:
            features: (rows, columns).
        """
        features = np.asarray(features, np.float32)
        total = np.full(len(features), float(self.start))
        for root in self.roots:
            node = np.full(len(features), root)
            inside = np.flatnonzero(self.left[node] >= 0)
            while len(inside):
                at = node[inside]
                goes_left = features[inside, self.feature[at]] <= self.threshold[at]
                node[inside] = np.where(goes_left, self.left[at], self.right[at])
                inside = inside[self.left[node[inside]] >= 0]
            total += self.value[node]
        return total

    def arrays(self) -> dict[str, np.ndarray]:
        """The attributes by name."""
        return dict(vars(self))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forest:
        """From what :meth:`arrays` gave.

        Raises:
            UserError: If an array is missing, or they do not make up trees.
        """
        names = cls.__dataclass_fields__
        if missing := [name for name in names if name not in arrays]:
            raise UserError(f"a forest lacks its {', '.join(missing)}; train the model again")
        forest = cls(**{name: np.asarray(arrays[name]) for name in names})
        nodes = len(forest.value)
        inner = forest.left >= 0
        here = np.flatnonzero(inner)
        per_node = "left", "right", "feature", "threshold"
        sound = (
            all(len(vars(forest)[name]) == nodes for name in per_node)
            # A child stands after its parent, so that no way leads in a circle.
            and (forest.left[inner] > here).all()
            and (forest.right[inner] > here).all()
            and max(forest.left.max(initial=-1), forest.right.max(initial=-1)) < nodes
            and ((forest.roots >= 0) & (forest.roots < nodes)).all()
        )
        if not sound:
            raise UserError("a forest's arrays do not make up trees; train the model again")
        return forest


def grown(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, **settings: Any) -> Forest:
    """Trees that tell true labels from false ones.

    Stochastic gradient boosting of the logistic loss (Friedman, Computational Statistics & Data
    Analysis 38, 367, 2002).

    Args:
        features: (rows, columns).
        labels: (rows,) bool, of both kinds.
        weights: (rows,).
        settings: Of scikit-learn's ``GradientBoostingClassifier``.

    Raises:
        UserError: If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import GradientBoostingClassifier
    except ImportError as error:
        raise UserError(
            "the model 'prototype' learns with scikit-learn, which is not installed; "
            "pip install 'matscale[models]'"
        ) from error
    model = GradientBoostingClassifier(**settings)
    model.fit(np.asarray(features, np.float32), labels, sample_weight=weights)
    return of_sklearn(model, float(np.average(labels, weights=weights)))


def of_sklearn(model: Any, share: float) -> Forest:
    """A fitted ``GradientBoostingClassifier`` of two classes as a forest.

    Args:
        model: The classifier.
        share: Of the true labels, by weight: boosting starts from its odds.
    """
    trees = [tree.tree_ for tree in model.estimators_[:, 0]]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]

    def moved(name: str) -> np.ndarray:
        nodes = [getattr(tree, name) for tree in trees]
        shifted = [np.where(of >= 0, of + at, -1) for of, at in zip(nodes, starts, strict=True)]
        return np.concatenate(shifted)

    return Forest(
        roots=starts,
        left=moved("children_left"),
        right=moved("children_right"),
        feature=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        value=model.learning_rate * np.concatenate([tree.value[:, 0, 0] for tree in trees]),
        start=np.array(np.log(share / (1 - share))),
    )


def no_forest() -> Forest:
    """Of no trees: everything is equally likely."""
    none, floats = np.empty(0, np.int64), np.empty(0)
    return Forest(none, none, none, none, floats, floats, np.array(0.0))
