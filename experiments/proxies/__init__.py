"""Cheap estimates of quality beside the truth."""
