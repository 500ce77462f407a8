"""Who equals whom: matching of structures."""
