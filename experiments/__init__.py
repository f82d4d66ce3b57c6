"""One script per table or figure: `python -m experiments.NAME` at the root; `--smoke` runs small."""
