"""The disk, the object store and the queue of its notifications.

Here: whether there is space, and whether the store keeps the rules that landing and lake rely on. Not here: what lies
in it (see `contents`).
"""

import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import obstore
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from dataflow_assets.doctor.finding import Finding, first_line
from dataflow_assets.doctor.store_rules import NAMES, RULES, Rule
from dataflow_assets.landing.event_queue import EventQueue
from dataflow_assets.landing.listing import PREFIX
from dataflow_assets.landing.storage import Storage, open_storage
from dataflow_assets.settings import Settings

_LEAST_FREE = 2 << 30  # bytes
_MANY_MESSAGES = 100_000  # are more than some ticks take
_ADVICE = "Start it or make the bucket, or mend S3_BUCKET, AWS_ENDPOINT_URL or the credentials."
_OF_STORE = re.compile("Error performing [A-Z]+ .*")  # in what obstore, Delta Lake and Polars say of a request to S3
_OF_OBJECT = re.compile(r"\b4(?!01|03)\d\d\b(?!.*NoSuchBucket)", re.DOTALL)  # it is gone, or was asked for wrongly
_IMPATIENT = {"max_retries": 1, "retry_timeout": timedelta(seconds=10)}


def disk(settings: Settings, least_free: int = _LEAST_FREE) -> Finding:
    """Whether there is space left where the home is."""
    there = next(folder for folder in (settings.home, *settings.home.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:,.1f} GB are free under {settings.home}."
    if free < least_free:
        return Finding("disk", "warning", said, "Make space, or set DATAFLOW_HOME to a folder on another disk.")
    return Finding("disk", "ok", said)


def object_store(settings: Settings) -> Finding:
    """Whether the store can be used, and keeps each of the rules that landing and lake rely on."""
    where, advice = str(settings.home), "Make it a folder that can be written to, or set DATAFLOW_HOME to one."
    if settings.s3_bucket:
        where, advice = _bucket(settings), _ADVICE
    try:
        broken = _find_broken_rules(open_impatient_storage(settings))
    except (BaseError, OSError) as error:
        return Finding("object store", "problem", f"{where} cannot be used: {first_line(error)}.", advice)
    if broken:
        said = "; ".join(f"{where} breaks the rule that it {rule.name}: {rule.cost}" for rule in broken)
        return Finding("object store", "problem", f"{said}.", "Use a server that keeps these rules of S3.")
    return Finding("object store", "ok", f"{where} can be used, and keeps the {len(RULES)} rules that are relied on.")


def explain_failure(settings: Settings, error: Exception) -> str | None:
    """What the bucket failed at, and what to do; None where an error says nothing of it, or of one object alone."""
    found = _OF_STORE.search(str(error)) if settings.s3_bucket and not _OF_OBJECT.search(str(error)) else None
    return found and f"{_bucket(settings)} cannot be used: {found[0].rstrip()}. {_ADVICE}"


def _bucket(settings: Settings) -> str:
    return f"s3://{settings.s3_bucket} at {settings.aws_endpoint_url or 'AWS'}"


def event_queue(settings: Settings) -> Finding:
    """Whether the queue of notifications can be used, and how many wait in it."""
    try:
        count = EventQueue(settings).count()
    except (BotoCoreError, ClientError) as error:
        said = f"{settings.s3_events_queue_url} cannot be used: {first_line(error)}."
        advice = (
            "Mend S3_EVENTS_QUEUE_URL, or let these credentials receive and delete its messages. Until then nothing "
            "that lands is found; the queue keeps what tells of it."
        )
        return Finding("event queue", "problem", said, advice)
    if count > _MANY_MESSAGES:
        said = f"About {count:,} notifications wait."
        return Finding("event queue", "warning", said, "Look whether `dataflow up` runs, and its landing sensor ticks.")
    return Finding("event queue", "ok", f"About {count:,} notifications wait.")


def open_impatient_storage(settings: Settings) -> Storage:
    """The store, which gives up soon where nobody answers, and deletes folders with their last file."""
    storage = open_storage(settings)
    if isinstance(storage.store, LocalStore):
        return replace(storage, store=LocalStore(settings.home, automatic_cleanup=True))
    store = S3Store(settings.s3_bucket, config=storage.options, retry_config=_IMPATIENT)  # type: ignore[arg-type]
    return replace(storage, store=store)


def _find_broken_rules(storage: Storage) -> list[Rule]:
    """Try each rule on objects beside landing and lake, and delete these."""
    next(iter(obstore.list(storage.store, f"{PREFIX}/", chunk_size=1)), None)
    prefix = f"doctor-{uuid.uuid4().hex}"
    try:
        return [rule for rule in RULES if not rule.holds(storage, prefix)]
    finally:
        for name in NAMES:  # a store that loses keys does not list them
            with suppress(FileNotFoundError):
                obstore.delete(storage.store, f"{prefix}/{name}")
