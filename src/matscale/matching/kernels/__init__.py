"""Compiled by numba: arrays in, arrays out; who calls them stands a folder above."""
