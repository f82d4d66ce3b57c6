"""Forecasting studies: errors, baselines, the shipped weights, the typical year."""
