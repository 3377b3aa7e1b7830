"""
Networks on disk: one safetensors file for several networks, with tensors named "network.parameter".

A file is never unpickled. A file that does not fit is refused with its name and the first difference.
"""

import hashlib
import re
from collections.abc import Mapping
from math import isqrt
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ridgewalk.files import write_bytes


def save_networks(path: Path, networks: Mapping[str, nn.Module]) -> str:
    """Writes the states of several networks to one safetensors file, atomically, and returns its SHA-256."""
    return write_bytes(path, save(_flat(networks)))


def digest_network(network: nn.Module) -> str:
    """SHA-256, in hexadecimal, of names, shapes and values of the state of a network."""
    return hashlib.sha256(save(_flat({"network": network}))).hexdigest()


def load_networks(
    path: Path,
    networks: Mapping[str, nn.Module],
    sha256: str | None = None,
    reads: Mapping[str, str] | None = None,
) -> None:
    """
    Loads the states that ``save_networks`` wrote into ``networks``, in place.

    Args:
        path: the safetensors file.
        networks: networks by the names under which they were saved, with equal shapes of all parameters.
        sha256: checksum that the file must have; None for any.
        reads: description of each network's input, such as "codes of 8 values", for the message about a file whose network has another input.
    """
    tensors = read_tensors(path, sha256)
    wanted = {name: tuple(t.shape) for name, t in _flat(networks).items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if wanted != found:
        for name, expected in (reads or {}).items():
            theirs, ours = (_reads(shapes, f"{name}.") for shapes in (found, wanted))
            if theirs is not None and ours is not None and theirs != ours:
                here = expected if expected.endswith(ours) else f"{expected} ({ours})"
                raise ValueError(
                    f"{path} holds another architecture: its '{name}' reads {theirs}, where {here} are expected; "
                    "the weights belong to another latent space or image shape: restore the file that belongs here, or train it again"
                )
        different = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))[0]
        raise ValueError(
            f"{path} holds another architecture: '{different}' is {found.get(different, 'missing')} in the file and "
            f"{wanted.get(different, 'missing')} in the network; load it with the settings that it was trained with"
        )
    for name, network in networks.items():
        prefix = f"{name}."
        network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file, whose checksum must be ``sha256`` if one is given."""
    if not path.is_file():
        raise ValueError(f"no weights at {path}: the run was not finished, or the file was moved")
    content = path.read_bytes()
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            f"{path} is not the file that was written: its checksum differs, so it was cut short or altered"
        )
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); it was cut short or altered") from error


def _flat(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": tensor.detach().cpu().contiguous().clone()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }


def _reads(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> str | None:
    """Describes the input of a network by the shapes of its weights; None where it cannot be derived."""
    names = [n for n, shape in shapes.items() if n.startswith(prefix) and len(shape) in (2, 4)]
    names.sort(key=lambda n: [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"\.", n)])
    weights = [shapes[n] for n in names]
    if not weights:
        return None
    if len(weights[0]) == 2:
        return f"{weights[0][1]} values"
    convolutions, affine = [w for w in weights if len(w) == 4], [w for w in weights if len(w) == 2]
    channels = f"{weights[0][1]} channel{'s' if weights[0][1] > 1 else ''}"
    if not affine:
        return channels
    cells, times = affine[-1][1] // convolutions[-1][0], len(convolutions)
    side = isqrt(cells)
    if side * side != cells:  # every stage halves a side, rounding up
        return f"{channels} of {cells} cells after {times} halvings"
    return f"{channels} of {(side - 1) * 2**times + 1} to {side * 2**times} pixels a side"
