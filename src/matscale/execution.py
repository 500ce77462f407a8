"""Run a function over many items: this machine's cores, with progress, in chunks that survive."""
