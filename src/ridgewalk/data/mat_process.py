"""
A program, run as ``python mat_process.py FILE NAME ...``, that writes the named numeric arrays of a MATLAB file to its output as an .npz archive.

SciPy's reader trusts the lengths stated in a file, so a damaged file may crash it; ``matlab`` therefore runs it in a separate process. This program does
not import PyTorch, to start quickly.
"""

import os
import sys
import warnings
from contextlib import suppress

import numpy as np
from numpy.exceptions import ComplexWarning
from scipy.io.matlab import loadmat

LIMIT = "RIDGEWALK_READER_MEMORY"
"""The environment variable with the number of bytes that this program may allocate."""


def limit_memory(size: int) -> None:
    """Lets this process allocate at most ``size`` further bytes, where the system can."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        import psutil

        most = psutil.Process().memory_info().vms + size
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(file: str, names: list[str]) -> None:
    """Writes the arrays ``names`` with the types that MATLAB would show; arrays that are absent or not numeric are left out."""
    warnings.simplefilter("error", ComplexWarning)  # SciPy casts complex numbers to real ones with this warning only
    try:
        held = loadmat(file, appendmat=False, mat_dtype=True, variable_names=names)
    except NotImplementedError:
        sys.exit("it is in format 7.3, which is not read here: save it with -v7")
    except MemoryError:
        sys.exit("it needs more memory than is free")
    except Exception as error:  # SciPy raises errors of many types over damaged files
        sys.exit(f"{type(error).__name__}: {error}")
    np.savez(
        sys.stdout.buffer, **{name: held[name] for name in names if name in held and held[name].dtype.kind in "iuf"}
    )


if __name__ == "__main__":
    if LIMIT in os.environ:
        limit_memory(int(os.environ[LIMIT]))
    main(sys.argv[1], sys.argv[2:])
