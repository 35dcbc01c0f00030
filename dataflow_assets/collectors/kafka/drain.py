"""Batches of messages, from where they are read to where they land.

Here: filling them, and when one lands. Not here: which partitions there are (see `kafka`), and how a batch is called
(see `kafka.chain`).
"""

import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from confluent_kafka import Message

from dataflow_assets.collectors.base import Record, Sink, UnreachableError
from dataflow_assets.collectors.kafka.chain import Chain
from dataflow_assets.collectors.kafka.consumer import TopicReader
from dataflow_assets.collectors.kafka.messages import Decode, as_line, day_of_message
from dataflow_assets.sources.origins.kafka import Kafka

_BATCH_BYTES = 64 << 20


class _Batch:
    """What was read of a partition since `start`, where the batch before it ended; `end` is where it ends itself."""

    def __init__(self, chain: Chain, start: int, path: Path, files: ExitStack, decode: Decode | None) -> None:
        self.chain, self._decode = chain, decode
        self._path, self._file = path, files.enter_context(path.open("wb"))
        self.begin(start)

    def begin(self, start: int) -> None:
        """Be empty, and begin at an offset."""
        self._file.seek(0)
        self._file.truncate()
        self.start = self.end = start
        self.rows = self.size = 0
        self.day: date | None = None
        self.began = 0.0

    def ends_before(self, day: date | None) -> bool:
        """Whether the next message, which is of a day, is not one of this batch: its event may be too late for it."""
        return self.rows > 0 and day is not None and (self.day is None or day > self.day)

    def add(self, message: Message, day: date | None) -> None:
        """Add the next message, which is of a day."""
        if not self.rows:
            self.day, self.began = day, time.monotonic()
        self.size += self._file.write(as_line(message, self._decode))
        self.rows += 1
        self.end = (message.offset() or 0) + 1

    def land(self, sink: Sink) -> bool:
        """Land it and begin the next; whether nobody else did."""
        self._file.flush()
        remote = self.chain.batch(self.start, self.end, self.day)
        if sink.land(remote, self._path, replace=False) is None:
            return False
        self.begin(self.end)
        return True


@dataclass
class Bringing:
    """Reads the messages of some partitions into batches, and lands each that is full, old, or the last."""

    origin: Kafka
    timezone: str
    first_day: date
    reader: TopicReader
    record: Record
    sink: Sink
    is_enough: Callable[[], bool] | None
    decode: Decode | None
    _batches: Mapping[int, _Batch] = field(default_factory=dict)

    def run(self, chains: Collection[Chain]) -> None:
        """Bring what there is at present, or, with `is_enough`, what comes until that is true.

        Messages that are gone before they were collected are told to the sink, and what is after them is brought.

        Raises:
            CollectError: they cannot be read.
        """
        starts = {chain.partition: chain.read(self.record).end for chain in chains}
        bounds = {number: self.reader.bounds(number) for number in starts}
        for chain in chains:
            start, (first, _) = starts[chain.partition], bounds[chain.partition]
            if 0 < start < first:
                reason = f"its offsets {start} to {first - 1} were deleted there before they were collected"
                self.sink.fail(chain.batch(start), reason)
        self.reader.start({number: max(start, bounds[number][0]) for number, start in starts.items()})
        with tempfile.TemporaryDirectory(prefix="dataflow-") as folder, ExitStack() as files:
            self._batches = {
                chain.partition: _Batch(
                    chain, starts[chain.partition], Path(folder) / str(chain.partition), files, self.decode
                )
                for chain in chains
            }
            self._read({number: end for number, (_, end) in bounds.items()})

    def _read(self, ends: Mapping[int, int]) -> None:
        """Read and land up to these offsets, or until it is enough."""
        waiting = set(ends)
        for messages, seen in self.reader.listen(self.is_enough):
            moved = self._add(messages)
            if self.is_enough:
                self._land_old()
            else:
                waiting -= {
                    number
                    for number in waiting - moved  # whose ends were seen after what was read before
                    if max(seen.get(number, 0), self._batches[number].end) >= ends[number]
                    and self._land(self._batches[number])
                }
                if not waiting:
                    return
        for batch in self._batches.values():
            self._land(batch)

    def _add(self, messages: Iterable[Message]) -> set[int]:
        """Add messages to the batches of their partitions, and land those that are full, or followed by a later day.

        Returns:
            The partitions of which somebody else landed a batch, so that they are read again from where it ends.
        """
        moved: set[int] = set()
        for message in messages:
            number = message.partition() or 0
            if number in moved:
                continue
            batch, day = self._batches[number], day_of_message(message, self.timezone, self.first_day)
            if batch.ends_before(day) and not self._land(batch):
                moved.add(number)
                continue
            batch.add(message, day)
            if (batch.rows >= self.origin.batch_rows or batch.size >= _BATCH_BYTES) and not self._land(batch):
                moved.add(number)
        return moved

    def _land_old(self) -> None:
        """Land the batches that began so long ago as they may."""
        for batch in self._batches.values():
            if time.monotonic() - batch.began >= self.origin.batch_seconds:
                self._land(batch)

    def _land(self, batch: _Batch) -> bool:
        """Land what a batch holds; whether that is done. If somebody else did it, read on from where they ended."""
        number = batch.chain.partition
        if not batch.rows:
            return True
        if batch.land(self.sink):
            self.reader.commit(number, batch.start)
            return True
        if batch.chain.read(self.record).end <= batch.start:
            Chain.adopt([batch.chain], self.sink)
        start = batch.chain.read(self.record).end
        if start <= batch.start:
            raise UnreachableError(f"Somebody else brings {self.origin.address} at the same time; try again.")
        self.reader.move(number, start)
        batch.begin(start)
        return False
