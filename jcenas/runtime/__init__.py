"""Devices and meshes, checkpoints, compilation, and how a process starts."""
