"""What the experiments share: timing, records, the page of benchmarks."""
