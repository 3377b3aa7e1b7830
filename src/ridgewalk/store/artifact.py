"""
One trained artifact in a folder: its weights, and the record that makes it whole.

    NAME.safetensors     weights of one or more networks; an artifact has one such file or several
    RECORD.json          what the artifact is rebuilt from, and the SHA-256 of its weights; written last

The autoencoder with its detector, the pixel detectors, the diffusion and the guide are such artifacts (``store.run`` shows the folder). Each is saved by
``save``, and loaded in three steps: ``read`` parses the record, the caller builds untrained networks from it, ``fill`` loads their weights. Nothing is
unpickled.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from ridgewalk.files import write_bytes
from ridgewalk.models.weights import load_networks, save_networks

T = TypeVar("T")
Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Artifact:
    """
    The files of one kind of artifact.

    Attributes:
        title: what it is called in messages, such as "diffusion".
        weights: names of its weight files, without ".safetensors".
        record_name: name of its record, without ".json"; that of its only weight file by default.
        log: subfolder of the log and the checkpoints of its training, where it has one of its own.
    """

    title: str
    weights: tuple[str, ...]
    record_name: str = ""
    log: str = ""

    @property
    def record_file(self) -> str:
        """The name of its record."""
        return f"{self.record_name or self.weights[0]}.json"

    def is_in(self, folder: Path) -> bool:
        """Whether a folder holds a whole artifact of this kind."""
        return (folder / self.record_file).is_file()

    def refuse_present(self, folder: Path) -> None:
        """Raises ValueError where a folder holds one already."""
        if self.is_in(folder):
            files = [self.record_file, *(f"{name}.safetensors" for name in self.weights)]
            files += [f"{self.log}/"] if self.log else []
            listed = f"{', '.join(files[:-1])} and {files[-1]}"
            raise ValueError(f"{folder} has a {self.title} already; remove {listed} to train another")

    def started_in(self, folder: Path) -> bool:
        """Whether the training of one was begun in a folder, so that it can be resumed."""
        return bool(self.log) and (folder / self.log).is_dir()

    def save(self, folder: Path, networks: Mapping[str, Networks], record: Mapping[str, Any]) -> dict[str, Any]:
        """
        Writes the weights, then the record.

        Args:
            folder: of the artifact.
            networks: for each weight file, its networks by name.
            record: what the artifact is rebuilt from, as JSON can hold it.

        Returns:
            The record as written, with the checksums under "sha256": one string for one weight file, a table for several.
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
        Reads the record.

        Args:
            folder: of the artifact.
            parse: makes of the record what the caller needs; its KeyError, TypeError, ValueError or AttributeError means a damaged record.

        Returns:
            What ``parse`` returned, and the record.

        Raises:
            ValueError: for a record that is missing, cut short or altered.
        """
        file = folder / self.record_file
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
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
            folder: of the artifact.
            record: as ``read`` returned it.
            networks: for each weight file, its networks by name.
            reads: for each network, its input in words, for the message where the file's network has another.

        Raises:
            ValueError: for weights that are missing, altered, cut short or of another architecture.
        """
        sums = self._sums(record)
        for name in self.weights:
            file = f"{name}.safetensors"
            load_networks(
                folder / file,
                networks[name],
                sums[file],
                {n: r for n, r in (reads or {}).items() if n in networks[name]},
            )

    def _sums(self, record: Mapping[str, Any]) -> dict[str, str]:
        """The checksum of each weight file."""
        sums, files = record["sha256"], [f"{name}.safetensors" for name in self.weights]
        return {file: str(sums[file] if len(files) > 1 else sums) for file in files}
