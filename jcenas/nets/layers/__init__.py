"""Layers that all networks share: convolutions, norms, pools, written to be fast on CPU and accelerators."""
