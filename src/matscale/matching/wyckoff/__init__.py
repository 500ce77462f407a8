"""Prototypes: crystals of one space group that occupy the same Wyckoff positions."""
