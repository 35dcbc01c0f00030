"""A process that imports the library looks for garbage seldom, unless it has been told how often."""

import gc
from collections.abc import Iterator

import pytest

from dataflow_assets.core.garbage import look_seldom


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_python_looks_less_often_than_by_itself() -> None:
    gc.set_threshold(700, 10, 10)
    look_seldom()
    assert gc.get_threshold() == (10_000, 20, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (10_000, 5, 5), (50_000, 1, 1)])
def test_who_looks_as_seldom_or_never_goes_on_so(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    look_seldom()
    assert gc.get_threshold() == own
