"""EC-NAS: energy-aware tables of NAS-Bench-101 cells, their surrogate, their searches."""
