"""Who does the work of a live search: this machine's devices, or a virtual clock over a table."""
