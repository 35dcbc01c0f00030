"""Scripts that take the platform to other people's servers, readers and clocks, and print what held.

Here: one module for each kind of ground; each prints rows for docs/reference/tested-with.md. Not here: what is cheap
enough for the test suite.
"""
