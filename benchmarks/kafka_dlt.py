"""The same messages into files by dlt, for `collect_kafka`: run in a folder that `dlt init kafka filesystem` made."""

import os
import sys
from pathlib import Path

import dlt
from confluent_kafka import Consumer

from benchmarks.own_process import print_figures


def bring(folder: str, address: str, home: str) -> int:
    """Bring what there is of the topic `orders`; how many messages."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    sys.path.insert(0, folder)
    from kafka import kafka_consumer  # type: ignore[import-not-found]  # noqa: PLC0415

    reader = Consumer({"bootstrap.servers": address, "group.id": "dlt", "auto.offset.reset": "earliest"})
    to_files = dlt.destinations.filesystem(Path(home, "files").as_uri())
    pipeline = dlt.pipeline("bench", pipelines_dir=home, dataset_name="rival", destination=to_files)
    pipeline.run(kafka_consumer("orders", credentials=reader), loader_file_format="jsonl")
    return int(pipeline.last_trace.last_normalize_info.row_counts["orders"])


if __name__ == "__main__":
    print_figures(bring)
