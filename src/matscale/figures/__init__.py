"""Figures to be read by models: items, folders of them, and synthetic ones."""
