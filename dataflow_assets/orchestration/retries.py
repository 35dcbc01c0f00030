"""Transient failures: those after which the same work may succeed a moment later.

Here: telling them from those that stay, and asking Dagster to try a step again. Not here: what a second try finds done
already (see the assets), runs whose process was killed (`run_retries` in dagster.yaml), and the retries of single
requests and locks, which come first (the object store's client, and `with_lock_retries`).
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import polars as pl
from deltalake.exceptions import DeltaError
from obstore.exceptions import GenericError

from dataflow_assets.collectors.base import UnreachableError
from dataflow_assets.core.formatting import without_colours
from dataflow_assets.errors import DataFlowError, LockTimeoutError, WarehouseRefusedError, WarehouseUnavailableError
from dataflow_assets.postgres.connection import AdbcError
from dataflow_assets.postgres.failures import code_of, is_transient_failure

# After about 4, 12, 28 and 60 seconds: a server that is restarted is back before the last.
RETRIES = dg.RetryPolicy(max_retries=4, delay=4, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

# An object that keeps changing has been read again and again, and is left to the landing sensor.
_TRANSIENT = (LockTimeoutError, WarehouseUnavailableError, UnreachableError)
# Who hands on the failure of another library keeps its words alone.
_WORDED = (AdbcError, GenericError, DeltaError, OSError, pl.exceptions.PolarsError)
_TRANSIENT_WORDS = re.compile(
    # The object store's answer, or none
    r"status code\W*(?:408|429|5\d\d)|error sending request|error decoding response body"
    r"|request or response body error|incomplete message|broken pipe|timed out|(?<!_)timeout"
    r"|connection (?:was |is )?(?:closed|reset|refused|aborted|lost)"
    # PostgreSQL's end of the connection
    r"|terminating connection|closed the connection|no connection to the server|connection to server .* failed"
    r"|could not (?:receive|send) data|the database system is (?:starting up|shutting down|in recovery mode|not yet)",
    re.IGNORECASE | re.DOTALL,
)


def is_transient(error: BaseException) -> bool:
    """Whether what failed may succeed when it is tried again, with nothing else changed."""
    if isinstance(error, dg.Failure):
        return error.allow_retries
    if isinstance(error, DataFlowError):
        return isinstance(error, _TRANSIENT) and not isinstance(error, WarehouseRefusedError)
    if code_of(error):
        return is_transient_failure(error)
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, _WORDED) and bool(_TRANSIENT_WORDS.search(without_colours(str(error))))


def is_down(error: BaseException) -> bool:
    """Whether a server does not do its work for now, so that what comes next would most likely fail as well."""
    return is_transient(error) and not isinstance(error, LockTimeoutError)


@contextmanager
def retry_transient(context: dg.InputContext | dg.AssetExecutionContext) -> Iterator[None]:
    """Ask for the step to be tried again, after a pause, where the block fails for a transient reason.

    After the last try the failure is the step's, and so it is where there is no step, as in a notebook. Of an asset's
    step an error that a user can mend is its sentence alone: no trace stands before it.
    """
    try:
        yield
    except Exception as error:
        tries = _tries_before(context)
        if tries is None or tries >= RETRIES.max_retries or not is_transient(error):
            if isinstance(error, DataFlowError) and isinstance(context, dg.AssetExecutionContext):
                raise dg.Failure(str(error), allow_retries=False) from None
            raise
        pause = RETRIES.calculate_delay(tries + 1)
        context.log.warning(f"This may pass, and is tried again in {pause:.0f} seconds: {error}")
        time.sleep(pause)  # here, where who stops the run need not wait: between two tries Dagster would let them
        raise dg.RetryRequested(RETRIES.max_retries) from error


def _tries_before(context: dg.InputContext | dg.AssetExecutionContext) -> int | None:
    if isinstance(context, dg.AssetExecutionContext):
        return int(context.retry_number)
    try:
        tries: int = context.step_context.previous_attempt_count
    except dg.DagsterInvariantViolationError:
        return None
    return tries
