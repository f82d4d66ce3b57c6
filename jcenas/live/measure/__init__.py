"""A table of trained cells: a seeded sample of a problem's networks, each trained from scratch, a row a training.

`jcenas measure` writes it, row by row, and `jcenas simulate --table FILE` searches it. One file a part: the settings
(`config`), which cells (`sample`), their training (`trainer`), what a row holds (`columns`), the file that grows
(`file`), and all of it together (`run`).
"""
