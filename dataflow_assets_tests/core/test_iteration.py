import threading
from collections.abc import Iterator

import pytest

from dataflow_assets.core.iteration import batched, prefetched
from dataflow_assets_tests.waiting import wait_until


def test_a_stream_is_cut_into_batches() -> None:
    assert list(batched(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([1, 2], 2)) == [[1, 2]]
    assert list(batched([], 2)) == []


def test_batches_come_unchanged_and_in_order() -> None:
    assert list(prefetched(iter([3, 1, None, 2]))) == [3, 1, None, 2]
    assert list(prefetched([])) == []


def test_the_next_batch_is_made_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def batches() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    stream = prefetched(batches())
    assert next(stream) == 0
    assert made[1].wait(300), "the second batch is not made before it is asked for"
    assert not made[2].is_set(), "more than one batch is made ahead"
    assert list(stream) == [1, 2]


def test_an_error_is_raised_in_its_place() -> None:
    def batches() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    stream = prefetched(batches())
    assert next(stream) == 1
    with pytest.raises(LookupError, match="no more"):
        next(stream)


def test_stopping_early_ends_the_thread() -> None:
    stream = prefetched(iter(range(1000)))
    assert next(stream) == 0
    stream.close()  # type: ignore[attr-defined]
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")])
