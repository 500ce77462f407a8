"""Answers that were made elsewhere, in files or as Python objects."""
