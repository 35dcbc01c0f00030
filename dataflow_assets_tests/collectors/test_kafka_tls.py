"""Kafka by TLS and with a login: a real broker behind TLS, and which logins librdkafka takes."""

from pathlib import Path
from typing import Literal

import pytest
from confluent_kafka import Producer

from dataflow_assets.collectors import open_collector
from dataflow_assets.collectors.base import CollectError
from dataflow_assets.collectors.files import MissingSecretError
from dataflow_assets.collectors.kafka import consumer
from dataflow_assets.sources.base import Source
from dataflow_assets.sources.origins import Kafka
from dataflow_assets_tests.collectors.builders import Platform
from dataflow_assets_tests.collectors.ftp_server import write_certificate
from dataflow_assets_tests.collectors.kafka_broker import Broker, broker_of, broker_process, tls_of
from dataflow_assets_tests.collectors.orders import orders_from


def source_by_tls(address: str, certificate: Path) -> Source:
    """Orders from a broker that must prove itself by a certificate."""
    return orders_from(Kafka(brokers=address, topic="orders", ca_file=str(certificate)))


def test_messages_however_long_come_by_tls_from_a_broker_that_proves_itself_and_from_no_other(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "_ANSWER_SECONDS", 5.0)
    (tmp_path / "other").mkdir()
    certificate, other = write_certificate(tmp_path), write_certificate(tmp_path / "other")
    with broker_process("orders", 1, certificate) as address:
        sender = Producer(
            {"bootstrap.servers": address, "log_level": 0, "message.max.bytes": 20_000_000, **tls_of(certificate)}
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
def test_a_login_is_one_that_the_library_takes_and_its_password_is_not_shown(
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "_ANSWER_SECONDS", 1.0)
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    with broker_of() as broker:  # which knows neither TLS nor logins
        login = Kafka(
            brokers=broker.address, topic="t", user="me", password="KAFKA_PASSWORD", mechanism=mechanism, tls=tls
        )
        with pytest.raises(CollectError) as refused:
            open_collector(orders_from(login), "UTC").check()
        assert "s3cret" not in str(refused.value)
        assert broker.address in str(refused.value)
        assert tls or f"required by mechanism {mechanism}" in str(refused.value)
        monkeypatch.delenv("KAFKA_PASSWORD")
        with pytest.raises(MissingSecretError, match="KAFKA_PASSWORD is not set"):
            open_collector(orders_from(login), "UTC").check()
