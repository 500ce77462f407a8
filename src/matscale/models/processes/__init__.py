"""Generative processes, a file each."""
