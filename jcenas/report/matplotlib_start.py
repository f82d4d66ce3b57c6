"""Imports matplotlib so that an inherited MPLBACKEND which is unknown here cannot stop it.

A notebook's kernel leaves `MPLBACKEND` to the programs that it starts, and importing matplotlib fails where that names
a backend which is not installed. The report draws without one; a backend that is known stays the user's choice.
"""

import contextlib
import os

_inherited = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
finally:
    if _inherited is not None:
        os.environ["MPLBACKEND"] = _inherited
if _inherited:
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _inherited
