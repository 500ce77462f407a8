"""Predictors: floors, ceilings and files of predictions."""
