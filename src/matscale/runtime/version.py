"""The version of the package; part of the keys of what is remembered."""

__version__ = "0.1.0"
