"""Results: their schema, a folder of them, and comparisons between them."""
