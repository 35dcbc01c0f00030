"""The queue of SQS into which S3 puts its notifications.

Here: receiving, and deleting what was taken. Not here: what a notification says (see `events`).
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from dataflow_assets.setting_values import split_url
from dataflow_assets.settings import Settings

_AT_ONCE = 8  # requests
_BATCH = 10  # messages, the most that SQS gives and deletes at once
_SECONDS = 15.0  # after which receiving stops, though there is more
_WAIT_SECONDS = 1
_DEFAULT_REGION = "us-east-1"


class EventQueue:
    """The queue that the settings name."""

    def __init__(self, settings: Settings) -> None:
        assert settings.s3_events_queue_url
        self._url = settings.s3_events_queue_url
        secret, token = settings.aws_secret_access_key, settings.aws_session_token
        self._client = _open_client(
            self._url,
            settings.region,
            settings.aws_access_key_id,
            secret.get_secret_value() if secret else None,
            token.get_secret_value() if token else None,
        )

    def take(self, keep: Callable[[list[str]], None]) -> None:
        """Give what waits in the queue to `keep`, some messages at a time, and delete them once it has returned.

        What `keep` fails at comes again, as does what was given and could not be deleted.
        """
        end = time.monotonic() + _SECONDS
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while time.monotonic() < end:
                if not (first := self._receive(_WAIT_SECONDS)):
                    break
                others = threads.map(self._receive, [0] * (_AT_ONCE - 1))
                batches = [first, *(batch for batch in others if batch)]
                keep([message["Body"] for batch in batches for message in batch])
                list(threads.map(self._delete, batches))

    def count(self) -> int:
        """About how many messages wait."""
        wanted = ["ApproximateNumberOfMessages"]
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=wanted)
        return int(found["Attributes"][wanted[0]])

    def _receive(self, seconds: int) -> list[dict[str, Any]]:
        """Some messages; where it may wait for them, none only if the queue has none, else perhaps though it has."""
        found = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=seconds)
        messages: list[dict[str, Any]] = found.get("Messages", [])
        return messages

    def _delete(self, messages: Iterable[dict[str, Any]]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)]
        self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)


@cache
def _open_client(url: str, region: str | None, key: str | None, secret: str | None, token: str | None) -> Any:
    """A client of the server that the queue's address names; without a key the standard AWS chain gives one."""
    import boto3  # noqa: PLC0415 # slow, and needed by those who have a queue
    from botocore.config import Config  # noqa: PLC0415

    parts = split_url(url)
    labels = (parts.hostname or "").split(".")  # sqs.<region>.amazonaws.com
    return boto3.client(
        "sqs",
        endpoint_url=f"{parts.scheme}://{parts.netloc}",
        region_name=labels[1] if labels[0] == "sqs" and len(labels) > 2 else region or _DEFAULT_REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(connect_timeout=5, read_timeout=30, max_pool_connections=_AT_ONCE, retries={"max_attempts": 2}),
    )
