"""Floors: predictors that need no model. A new one is a class here and a line in the registry."""
