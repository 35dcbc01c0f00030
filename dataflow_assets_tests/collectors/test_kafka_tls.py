"""Kafka by TLS and with a login: a real broker behind both."""

from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError
from dataflow_assets.collectors.files import MissingSecretError
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.ftp_server import write_certificate
from dataflow_assets_tests.collectors.kafka_broker import Broker, broker_process, options_of
from dataflow_assets_tests.collectors.orders import orders_from
from dataflow_assets_tests.collectors.sasl_login import SaslLogin

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def source_by_tls(address: str, certificate: Path) -> Source:
    """Orders from a broker that must prove itself by a certificate."""
    return orders_from(Kafka(brokers=address, topic="orders", ca_file=str(certificate)))


def test_messages_however_long_come_by_tls_from_a_broker_that_proves_itself_and_from_no_other(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    certificate, other = write_certificate(tmp_path), write_certificate(tmp_path / "other")
    with broker_process("orders", 1, certificate) as address:
        sender = Producer(
            {"bootstrap.servers": address, "log_level": 0, "message.max.bytes": 20_000_000, **options_of(certificate)}
        )
        Broker(address, sender).send("orders", ['{"id":1}', f'{{"id":2,"more":"{"x" * 10_000_000}"}}'])
        error = platform.collect(source_by_tls(address, other)).error
        assert type(error) is CollectError
        assert "does not prove itself by a certificate" in str(error)
        source = source_by_tls(address, certificate)
        assert platform.collect(source).error is None
    (content,) = platform.landed(source).values()
    first, second = content.splitlines()
    assert b'"value":{"id":1}' in first
    assert len(second) > 10_000_000


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("tls", [True, False])
def test_messages_come_to_who_logs_in_and_to_nobody_else(
    platform: Platform, tmp_path: Path, mechanism: Mechanism, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, login = write_certificate(tmp_path) if tls else None, SaslLogin(mechanism, "me", "s3cret, = \u00e4")
    with broker_process("orders", 1, certificate, login) as address:
        sender = Producer({"bootstrap.servers": address, "log_level": 0, **options_of(certificate, login)})
        Broker(address, sender).send("orders", ['{"id":1}'])
        said: dict[str, Any] = {"user": "me", "mechanism": mechanism, "tls": tls}
        more: dict[str, Any] = {"ca_file": str(certificate)} if tls else {}
        source = orders_from(Kafka(brokers=address, topic="orders", password="KAFKA_PASSWORD", **said, **more))
        with pytest.raises(MissingSecretError, match="KAFKA_PASSWORD is not set"):
            open_collector(source, "UTC").check()
        monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
        error = platform.collect(source).error
        assert type(error) is CollectError
        assert f"kafka://{address}/orders does not let the user in" in str(error)
        assert "s3cret" not in str(error)
        monkeypatch.setenv("KAFKA_PASSWORD", login.password)
        assert platform.collect(source).error is None
    (content,) = platform.landed(source).values()
    assert b'"value":{"id":1}' in content


def test_a_mechanism_that_the_broker_does_not_know_is_told(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    with broker_process("orders", 1, login=SaslLogin("SCRAM-SHA-256", "me", "s3cret")) as address:
        source = orders_from(Kafka(brokers=address, topic="orders", user="me", password="KAFKA_PASSWORD", tls=False))
        error = platform.collect(source).error
    assert type(error) is CollectError
    assert "does not know the mechanism SCRAM-SHA-512" in str(error)
    assert "supported mechanisms: SCRAM-SHA-256" in str(error)
