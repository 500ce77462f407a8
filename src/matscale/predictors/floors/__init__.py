"""Floors: predictors that need no learning. A new one is a module here and a line in FLOORS."""

from matscale.predictors.floors.mean_cell import MeanCell
from matscale.predictors.floors.random_training import RandomTraining
from matscale.predictors.floors.substitution import Substitution

CRYSTAL_FLOORS = (Substitution, RandomTraining, MeanCell)
"""Floors that answer with a crystal; each is made from a training table and a seed."""
