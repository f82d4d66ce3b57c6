"""jcenas: carbon-aware, multi-objective neural architecture search on JAX.

Importing the package imports no JAX; import the part that you need, for example `jcenas.moo` or `jcenas.live`.
"""

__version__ = "0.1.0"
