"""Collecting from Kafka: messages a CPU second and memory, and what landed after collectors were killed.

    python -m benchmarks.collect_kafka --messages 200000 --kills 50

The broker is a real one in a process of its own. First a collector in a process of its own brings everything. Then,
from an empty record, two collectors at once are killed at random moments, again and again, and one goes on to the end.
It exits with 1 where a message is not in landing, or is there twice.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from benchmarks import common
from dataflow_assets.collectors.collect import Collecting
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_storage
from dataflow_assets.ledger.collected import open_record
from dataflow_assets.settings import load_settings
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.kafka_broker import SENT, broker_process
from dataflow_assets_tests.collectors.orders import orders_from

_PARTITIONS = 6
_SPAWN = multiprocessing.get_context("spawn")


def main() -> None:
    """Measure, kill, count, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=50)
    arguments = parser.parse_args()
    result: dict[str, Any] = {**vars(arguments), "partitions": _PARTITIONS, "cores": os.cpu_count()}
    with broker_process("orders", _PARTITIONS) as address, common.server() as (home, url):
        _send(address, arguments.messages)
        common.empty_warehouse(url)
        os.environ["DATABASE_URL"] = url
        os.environ["DATAFLOW_HOME"] = str(home / "fast")
        with _SPAWN.Pool(1) as pool:
            result["fast"] = pool.apply(_collect, (address, 100_000))
        common.sql(url, "TRUNCATE ledger.collected")
        os.environ["DATAFLOW_HOME"] = str(home / "killed")
        result["killed"] = _kill(address, arguments.kills)
        _collect(address, 700)
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


def _collect(address: str, rows: int) -> dict[str, float]:
    """Bring what there is; the seconds, the CPU seconds and the peak memory of this process."""
    settings = load_settings()
    source = orders_from(Kafka(brokers=address, topic="orders", tls=False, batch_rows=rows))
    collecting = Collecting(landing=Landing(open_storage(settings)), timezone="UTC", today=date(2021, 12, 10))
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    start, before = time.monotonic(), time.process_time()
    report = collecting.collect(source, open_record(os.environ["DATABASE_URL"], source.name))
    if report.error or report.failed:
        raise RuntimeError(f"{report.error} {report.failed}")
    messages = sum(int(one.remote.version) - _start(one.remote.path) for one in report.landed)
    cpu = time.process_time() - before
    return {
        "messages": messages,
        "seconds": round(time.monotonic() - start, 2),
        "cpu_seconds": round(cpu, 2),
        "messages_per_cpu_second": round(messages / cpu),
        "idle_mib": idle,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _start(path: str) -> int:
    return int(path.rpartition("/")[2].removesuffix(".ndjson"))


def _kill(address: str, kills: int) -> dict[str, int]:
    """Let two collectors work at once, and kill both at a random moment, again and again."""
    killed = 0
    while killed < kills:
        both = [_SPAWN.Process(target=_collect, args=(address, rows)) for rows in (500, 900)]
        for process in both:
            process.start()
        time.sleep(random.uniform(2.0, 10.0))
        for process in both:
            killed += process.is_alive()
            process.kill()
            process.join()
        if not any(process.exitcode for process in both):
            break  # everything was brought
    return {"kills": killed}


def _count(home: Path) -> dict[str, int]:
    lines = [json.loads(line) for file in home.rglob("*.ndjson") for line in file.read_bytes().splitlines()]
    return {"messages": len(lines), "different": len({line["value"]["id"] for line in lines})}


if __name__ == "__main__":
    main()
