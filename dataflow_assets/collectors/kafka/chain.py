"""The batches of a partition, one after the other.

Here: how each is called, and where the next begins. Not here: filling one (see `kafka.drain`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from dataflow_assets.collectors.base import CollectError, Record, Remote, Sink

_ENDING = ".ndjson"
_DIGITS = 20
_LAST_LINE = 128 << 20  # bytes; no message is as long


@dataclass(frozen=True)
class Last:
    """Where the next batch of a partition begins, and whether the one before it is recorded as landed."""

    end: int
    is_recorded: bool


@dataclass(frozen=True)
class Chain:
    """The batches of a partition, each of which begins where the one before it ended."""

    topic: str
    partition: int

    @classmethod
    def of(cls, batch: Remote) -> Self:
        """The chain that a batch is of."""
        topic, partition, _ = batch.path.split("/")
        return cls(topic, int(partition))

    @property
    def folder(self) -> str:
        """The folder of the batches, such as `orders/3`."""
        return f"{self.topic}/{self.partition}"

    def read(self, record: Record) -> Last:
        """Where the next batch begins: at the recorded end of the last, or where one that was only begun did."""
        match record.last(self.folder):
            case None:
                return Last(0, is_recorded=False)
            case _, known if known.version:
                return Last(int(known.version), is_recorded=True)
            case path, _:
                return Last(int(path.rpartition("/")[2].removesuffix(_ENDING)), is_recorded=False)

    def batch(self, start: int, end: int | None = None, day: date | None = None, fault: str | None = None) -> Remote:
        """The batch that begins at an offset."""
        name = f"{self.folder}/{start:0{_DIGITS}d}{_ENDING}"
        return Remote(path=name, name=name, version="" if end is None else str(end), day=day, fault=fault)

    @classmethod
    def adopt(cls, chains: Iterable[Self], sink: Sink) -> None:
        """Record the last batch of each chain that is in landing, where it is not recorded."""
        sink.adopt({chain.folder for chain in chains}, _end_of_batch)


def _end_of_batch(name: str, file: Path) -> str:
    """The offset after the last message of a batch in landing."""
    with file.open("rb") as lines:
        lines.seek(max(0, file.stat().st_size - _LAST_LINE))
        last = lines.read().removesuffix(b"\n").rpartition(b"\n")[2]
    try:
        return str(json.loads(last)["offset"] + 1)
    except (ValueError, KeyError, TypeError):
        raise CollectError(f"{name} in landing is no batch of messages, and is where one should be.") from None
