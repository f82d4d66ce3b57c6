"""Optimizers and hypervolume beside their peers."""
