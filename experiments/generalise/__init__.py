"""Whether what was tuned on a few tables, grids and settings holds on others."""
