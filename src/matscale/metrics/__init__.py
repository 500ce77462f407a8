"""Metrics: arrays in, numbers out; they know no files and no models."""
