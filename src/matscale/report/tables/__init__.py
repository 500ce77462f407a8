"""Scores in tables: as values, as Markdown, LaTeX and CSV, as lines of a terminal, for papers."""
