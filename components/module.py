"""What TFX is pointed at, by dotted path or as ``module_file``.

As a file on a volume it needs ``PYTHONPATH`` to name the folder above, so that ``components``
is the package next to it.
"""

from components.preprocessing import preprocessing_fn
from components.training import run_fn

__all__ = ["preprocessing_fn", "run_fn"]
