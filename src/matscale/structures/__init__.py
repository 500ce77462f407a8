"""The currency: tables of structures, and the formats they come in."""
