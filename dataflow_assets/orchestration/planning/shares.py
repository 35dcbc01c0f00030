"""How much of a large request each run takes: they shrink, so that all workers end at about the same time.

Here: that alone, on numbers. Not here: what the numbers are of (see `ranges` and `automation.landing_sensor`).
"""

from collections.abc import Iterator, Sequence

PART_BYTES = 4 << 20  # what a partition or an object costs besides its bytes, as bytes: about 30 ms
LEAST_BYTES = 16 * PART_BYTES  # of a run, which costs about as much as this part of it does not
MOST_BYTES = 8 << 30  # of one run: what is lost where it is stopped


def cut_shares(sizes: Sequence[int], slots: int = 1, left: int | None = None, most: int | None = None) -> Iterator[int]:
    """How many things, which stand in order, each run takes.

    A run takes what is left over, shared by all slots, but not less than is worth a run.

    Args:
        sizes: how many bytes each thing has.
        slots: how many runs are made at once.
        left: how many bytes there are in all, where these are a part of them; see `weigh`.
        most: how many things a run takes.
    """
    weights = [weigh([size]) for size in sizes]
    left, start = sum(weights) if left is None else left, 0
    while start < len(weights):
        enough = min(max(left / slots, LEAST_BYTES), MOST_BYTES)
        end, taken = start + 1, weights[start]
        while end < len(weights) and taken + weights[end] <= enough and end - start != most:
            taken += weights[end]
            end += 1
        yield end - start
        start, left = end, left - taken


def weigh(sizes: Sequence[int]) -> int:
    """What things of these sizes cost, as bytes."""
    return sum(sizes) + len(sizes) * PART_BYTES
