"""For each format the files that take the most memory of those that the platform's limits let through.

Here: which there are. Not here: writing them (see `worst_plain`, `worst_packed`), and reading them (see `memory`).
"""

from benchmarks.worst_packed import PACKED, PACKED_SUFFIXES
from benchmarks.worst_plain import PLAIN, PLAIN_SUFFIXES

WORST = PLAIN | PACKED
SUFFIXES = PLAIN_SUFFIXES | PACKED_SUFFIXES
