"""Batches: so many of a stream at a time, and the next one made while one is used.

Here: cutting a stream, and overlapping its two halves. Not here: what is in a batch.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_Batch = TypeVar("_Batch")
_Item = TypeVar("_Item")


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in the same order, so many at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def batched_by_size(
    items: Iterable[_Item], count: int, size_of: Callable[[_Item], int], most: int
) -> Iterator[list[_Item]]:
    """The items in the same order, so many at a time, or fewer that together reach a size."""
    batch: list[_Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if len(batch) == count or size >= most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


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
