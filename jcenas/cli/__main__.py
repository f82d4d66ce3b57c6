"""`python -m jcenas.cli`: the same as `jcenas`."""

from jcenas.cli.main import main

main()
