"""Batches, the next of which is made while one is used.

Here: overlapping the two halves of a stream. Not here: what is in a batch.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Batch = TypeVar("_Batch")


def prefetched(batches: Iterable[_Batch]) -> Iterator[_Batch]:
    """The same batches in the same order; one more is made, in a thread, while the last one is used.

    An error in the making is raised where that batch was wanted.
    """
    making = iter(batches)
    end = object()
    with ThreadPoolExecutor(1, "prefetch") as maker:
        ahead = maker.submit(next, making, end)
        while (batch := ahead.result()) is not end:
            ahead = maker.submit(next, making, end)
            yield batch  # type: ignore[misc]
