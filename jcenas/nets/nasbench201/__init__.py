"""NAS-Bench-201: candidate and supernet, one cell alone, all operations mixed, costs."""
