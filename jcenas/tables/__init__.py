"""Tabular NAS benchmarks as device arrays; where data lives, fetching, integrity."""
