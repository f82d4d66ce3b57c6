"""NAS-Bench-101: the network round one cell, and its costs."""
