"""Messages of Kafka into landing, once, for `collect_kafka`: what there is of the topic `orders`."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from benchmarks.own_process import print_figures
from dataflow_assets.collectors.collect import Collecting
from dataflow_assets.landing.deliveries import Landing
from dataflow_assets.landing.storage import open_folder
from dataflow_assets.ledger.collected import open_record
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.orders import orders_from


def bring(report: Callable[[str], None], url: str, address: str, home: str, rows: int) -> int:
    """Bring it in batches of so many rows; how many messages landed."""
    source = orders_from(Kafka(brokers=address, topic="orders", tls=False, batch_rows=rows))
    landing = Landing(open_folder(Path(home)))
    collecting = Collecting(landing=landing, timezone="UTC", today=date(2021, 12, 10), progress=report)
    found = collecting.collect(source, open_record(url, source.name))
    if found.error or found.failed:
        raise RuntimeError(f"{found.error} {found.failed}")
    return sum(int(one.remote.version) - int(Path(one.remote.path).stem) for one in found.landed)


if __name__ == "__main__":
    print_figures(lambda url, address, home: bring(lambda _: None, url, address, home, 100_000))
