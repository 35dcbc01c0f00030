"""Messages of a Kafka topic, in batches.

Here: what there is of each partition, and which batch comes next. Not here: reading and landing them (see
`kafka.drain`), what a declaration says of the topic (see `sources.origins.kafka`), connecting (see
`kafka.consumer`), and a message as text (see `kafka.messages` and `kafka.registry`).

The batches of a partition are a chain: each is named by the offset at which the one before it ended, the first by 0,
and is recorded with the offset at which it ends. It lands only where there is none of its name. So of two collectors
one lands a batch, whatever its length, and the other goes on after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from typing import ClassVar

from dataflow_assets.collectors.base import Collector, Record, Remote, Sink
from dataflow_assets.collectors.kafka.chain import Chain
from dataflow_assets.collectors.kafka.consumer import TopicReader
from dataflow_assets.collectors.kafka.drain import Bringing
from dataflow_assets.collectors.kafka.messages import day_of_message
from dataflow_assets.collectors.kafka.registry import Registry
from dataflow_assets.sources.origins.base import Origin
from dataflow_assets.sources.origins.kafka import Kafka


class KafkaCollector(Collector[Kafka]):
    """Brings the messages of a topic."""

    origin_type: ClassVar[type[Origin]] = Kafka
    is_stream: ClassVar[bool] = True
    _record: Record
    _followed: Sequence[Chain] = ()  # all but those of a topic that was made anew
    _unsettled: Collection[int] = ()  # partitions of which a batch may be in landing that is not recorded

    def check(self) -> str:
        """Connect, and look how many messages there may be."""
        with closing(self._connect()) as reader:
            partitions = reader.partitions()
            count = sum(end - first for first, end in map(reader.bounds, partitions))
        if self.origin.registry:
            Registry(self.origin).check()
        return f"{self.origin.address} has {count:,} messages at most, in {len(partitions):,} partitions."

    def find(self, record: Record) -> Iterable[Remote]:
        """The next batch of each partition that has messages after what is recorded."""
        self._record = record
        with closing(self._connect()) as reader:
            chains = [Chain(self.origin.topic, number) for number in reader.partitions()]
            last = {chain.partition: chain.read(record) for chain in chains}
            self._unsettled = [number for number, found in last.items() if not found.is_recorded]
            starts = {number: found.end for number, found in last.items()}
            bounds = {number: reader.bounds(number) for number in starts}
            found = self._find_first(reader, starts, bounds)
        self._followed = [chain for chain in chains if starts[chain.partition] <= bounds[chain.partition][1]]
        for chain in chains:
            start, (_, end) = starts[chain.partition], bounds[chain.partition]
            if end < start:
                reason = f"it ends at offset {end}, and up to {start} was collected: the topic was made anew"
                found.append(chain.batch(start, fault=reason))
        return found

    def _find_first(
        self, reader: TopicReader, starts: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]
    ) -> list[Remote]:
        """The same, by a message of each: the last offsets may be of none, where transactions ended."""
        positions = {number: max(at, bounds[number][0]) for number, at in starts.items() if at <= bounds[number][1]}
        waiting = {number for number, at in positions.items() if at < bounds[number][1]}
        found: dict[int, Remote] = {}
        if not waiting and not self.is_enough:
            return []
        reader.start(positions)
        for messages, ends in reader.listen(self.is_enough):
            for message in messages:
                number = message.partition() or 0
                if number not in found:
                    day = day_of_message(message, self.timezone, self.first_day)
                    found[number] = Chain(self.origin.topic, number).batch(starts[number], day=day)
                    reader.pause(number)
            waiting -= {*found, *(number for number, end in ends.items() if end >= bounds[number][1])}
            if found if self.is_enough else not waiting:
                break
        return list(found.values())

    def bring(self, wanted: Sequence[Remote], sink: Sink) -> None:
        """Bring the messages of the partitions that the batches are of, up to their present ends.

        With `is_enough`, those of the partitions that have none so far too: theirs may come any time.
        """
        chains = self._followed if self.is_enough else [Chain.of(remote) for remote in wanted]
        if unsettled := [chain for chain in chains if chain.partition in self._unsettled]:
            Chain.adopt(unsettled, sink)
        with closing(self._connect()) as reader:
            decode = Registry(self.origin).decode if self.origin.registry else None
            bringing = Bringing(
                self.origin, self.timezone, self.first_day, reader, self._record, sink, self.is_enough, decode
            )
            bringing.run(chains)

    def _connect(self) -> TopicReader:
        return TopicReader(self.origin, self.origin.group or f"dataflow-{self.source.name}")


COLLECTOR = KafkaCollector
