"""
The files of one trained artifact in a folder: its weights and its record.

    NAME.safetensors     weights of one or more networks; an artifact has at least one such file
    RECORD.json          settings from which the networks are built, the SHA-256 of the weights, and its own digest (``records``); written last

The autoencoder with its detector, the pixel detectors, the diffusion and the guide are such artifacts (``store.run`` shows the folder). ``save`` writes
one. To load it, ``read`` parses the record, the caller builds untrained networks from it, and ``fill`` loads their weights; nothing is unpickled.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from ridgewalk.files import write_bytes
from ridgewalk.models.weights import load_networks, save_networks
from ridgewalk.records import parse_record, refuse_unknown

T = TypeVar("T")
Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Artifact:
    """
    The names of the files of one kind of artifact.

    Attributes:
        title: name of the kind in messages, such as "diffusion".
        weights: names of the weight files, without ".safetensors".
        record_name: name of the record, without ".json"; by default that of the first weight file.
        entries: names of the entries that the record may have, except those of checksums; a record with another entry is refused.
        log: subfolder with the log and checkpoints of the training, or "" if the training has no subfolder.
    """

    title: str
    weights: tuple[str, ...]
    record_name: str = ""
    entries: tuple[str, ...] = ()
    log: str = ""

    @property
    def record_file(self) -> str:
        """File name of the record."""
        return f"{self.record_name or self.weights[0]}.json"

    def is_in(self, folder: Path) -> bool:
        """Whether ``folder`` holds a complete artifact of this kind."""
        return (folder / self.record_file).is_file()

    def refuse_present(self, folder: Path) -> None:
        """Raises ValueError if ``folder`` holds an artifact of this kind."""
        if self.is_in(folder):
            files = [self.record_file, *(f"{name}.safetensors" for name in self.weights)]
            files += [f"{self.log}/"] if self.log else []
            listed = f"{', '.join(files[:-1])} and {files[-1]}"
            raise ValueError(f"{folder} has a {self.title} already; remove {listed} to train another")

    def started_in(self, folder: Path) -> bool:
        """Whether a training of this artifact was started in ``folder`` and can be resumed."""
        return bool(self.log) and (folder / self.log).is_dir()

    def save(self, folder: Path, networks: Mapping[str, Networks], record: Mapping[str, Any]) -> dict[str, Any]:
        """
        Writes the weights, then the record, and returns the record with the checksums under "sha256".

        Args:
            folder: folder of the artifact.
            networks: the networks of each weight file, by name.
            record: settings from which the networks are built, as JSON values; ``records.seal`` adds their digest.
        """
        sums = {
            f"{name}.safetensors": save_networks(folder / f"{name}.safetensors", networks[name])
            for name in self.weights
        }
        whole = {"sha256": sums if len(sums) > 1 else next(iter(sums.values())), **record}
        write_bytes(folder / self.record_file, json.dumps(whole, indent=1).encode())
        return whole

    def read(self, folder: Path, parse: Callable[[dict[str, Any]], T]) -> tuple[T, dict[str, Any]]:
        """
        Reads the record; returns the result of ``parse`` and the record.

        Args:
            folder: folder of the artifact.
            parse: converts the record; its KeyError, TypeError, ValueError and AttributeError are reported as a damaged record.
        """
        file = folder / self.record_file
        try:
            record = parse_record(file.read_bytes(), self.entries)
            self._sums(record)
            return parse(record), record
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file} cannot be read ({error}); it was altered or cut short") from error

    def fill(
        self,
        folder: Path,
        record: Mapping[str, Any],
        networks: Mapping[str, Networks],
        reads: Mapping[str, str] | None = None,
    ) -> None:
        """
        Loads the weights into untrained networks, in place.

        Args:
            folder: folder of the artifact.
            record: the record that ``read`` returned.
            networks: the networks of each weight file, by name.
            reads: description of each network's input, for the message about a file whose network has another input.
        """
        sums = self._sums(record)
        for name in self.weights:
            described = {n: r for n, r in (reads or {}).items() if n in networks[name]}
            load_networks(folder / f"{name}.safetensors", networks[name], sums[f"{name}.safetensors"], described)

    def _sums(self, record: Mapping[str, Any]) -> dict[str, str]:
        """The checksum of each weight file."""
        sums, files = record["sha256"], [f"{name}.safetensors" for name in self.weights]
        if len(files) > 1:
            refuse_unknown("file in its checksums", sums, files)
        return {file: str(sums[file] if len(files) > 1 else sums) for file in files}
