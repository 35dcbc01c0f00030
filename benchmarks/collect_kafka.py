"""Collecting from Kafka: messages a CPU second and memory, and what landed after collectors were killed.

    python -m benchmarks.collect_kafka --messages 200000 --kills 50 --dlt FOLDER

The broker is a real one in a process of its own. First a collector in a process of its own brings everything. Then,
from an empty record, two collectors at once are killed at random moments, again and again, and one goes on to the end.
It exits with 1 where a message is not in landing, or is there twice. `--dlt` is a folder in which
`dlt init kafka filesystem` was run: dlt's source then brings the same messages to a folder.
"""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from benchmarks import common
from benchmarks.kafka_ours import bring
from benchmarks.own_process import figures_of
from dataflow_assets_tests.collectors.kafka_broker import SENT, broker_process
from dataflow_assets_tests.loading import Worker

_PARTITIONS = 6


def main() -> None:
    """Measure, kill, count, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--dlt", metavar="FOLDER")
    arguments = parser.parse_args()
    result: dict[str, Any] = {**vars(arguments), "partitions": _PARTITIONS, "cores": os.cpu_count()}
    with broker_process("orders", _PARTITIONS) as address, common.server() as (home, url):
        _send(address, arguments.messages)
        common.empty_warehouse(url)
        result["fast"] = figures_of("benchmarks.kafka_ours", url, address, home / "fast")
        if arguments.dlt:
            result["dlt"] = figures_of("benchmarks.kafka_dlt", arguments.dlt, address, home / "dlt")
        common.sql(url, "TRUNCATE ledger.collected")
        result["killed"] = _kill(url, address, home / "killed", arguments.kills)
        bring(lambda _: None, url, address, str(home / "killed"), 700)
        result["landed"] = {name: _count(home / name) for name in ("fast", "killed")}
    print(json.dumps(result, indent=2))  # noqa: T201
    sys.exit(
        any(
            found != {"messages": arguments.messages, "different": arguments.messages}
            for found in result["landed"].values()
        )
    )


def _send(address: str, count: int) -> None:
    """Send messages of about 100 bytes; the last of each partition by itself, as the broker tells an end by batches."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 50, "log_level": 0})
    for number in range(count):
        if number == count - _PARTITIONS:
            producer.flush(60)
        value = json.dumps(
            {"id": number, "customer": f"customer-{number % 1000}", "total": number / 100, "note": "x" * 30}
        )
        producer.produce("orders", value, partition=number % _PARTITIONS, timestamp=SENT)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all messages")


def _kill(url: str, address: str, home: Path, kills: int) -> dict[str, int]:
    """Let two collectors work at once, and kill each at a random moment, again and again."""
    killed = done = 0
    while killed < kills and not done:
        both = [Worker(), Worker()]
        for worker, rows in zip(both, (100, 180), strict=True):
            worker.begin(bring, url, address, str(home), rows)
        for worker in both:
            while worker.phase == "start" and not worker.is_done(0.005):  # until it looks at the broker
                pass
        end = time.monotonic() + random.uniform(0.0, 1.5)
        for worker in both:
            if worker.is_done(max(0.0, end - time.monotonic())):
                worker.result()
                done += 1
            else:
                killed += 1
            worker.kill()
            end += random.uniform(0.0, 0.5)
    return {"kills": killed, "done": done}


def _count(home: Path) -> dict[str, int]:
    lines = [json.loads(line) for file in home.rglob("*.ndjson") for line in file.read_bytes().splitlines()]
    return {"messages": len(lines), "different": len({line["value"]["id"] for line in lines})}


if __name__ == "__main__":
    main()
