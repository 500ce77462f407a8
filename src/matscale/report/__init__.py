"""Results to pages, tables and figures."""
