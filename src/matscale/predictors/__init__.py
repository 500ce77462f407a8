"""Predictors: what they are and are told, floors, ceilings, and answers that come in files."""
