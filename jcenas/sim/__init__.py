"""The simulated cluster and the whole carbon-aware search as one scan."""
