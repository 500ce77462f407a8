"""Where structures and targets come from."""
