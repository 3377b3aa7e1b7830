"""
Networks in files that the user names: TorchScript, which holds the architecture beside the weights.

PyTorch interprets the code in such a file without Python and unpickles nothing else; still it is code, so that no file is read but the one that is named.
"""

import hashlib
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch


def read_torchscript(file: Path, wanted: str, device: torch.device | str = "cpu") -> tuple[Any, str]:
    """
    Reads a network from a TorchScript file.

    Args:
        file: the file.
        wanted: which option takes what, for the refusals, such as ``--features takes a network as TorchScript``.
        device: where the network is put.

    Returns:
        The network in evaluation mode, and the file's SHA-256 checksum in hexadecimal.

    Raises:
        ValueError: where there is no such file, or it is no TorchScript, or it is damaged.
    """
    if not file.is_file():
        raise ValueError(f"there is no file {file}: {wanted}")
    with file.open("rb") as content:
        checksum = hashlib.file_digest(content, "sha256").hexdigest()
    try:
        with zipfile.ZipFile(file) as archive:  # PyTorch does not compare the checksums that the archive holds
            if damaged := archive.testzip():
                raise ValueError(f"its part {damaged} is damaged")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated, which concerns those who write such files
            network = torch.jit.load(str(file), map_location=device).eval()
    except Exception as error:  # RuntimeError mostly; of a damaged archive others too
        raise ValueError(
            f"{file} cannot be read as TorchScript ({last_line(error)}): {wanted}; files of weights alone are not read"
        ) from error
    return network, checksum


def last_line(error: Exception) -> str:
    """The first sentence of the last line of an error: TorchScript ends its traceback with the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1].split(". ")[0] if lines else type(error).__name__)[:200]
