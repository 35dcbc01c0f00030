"""Benchmarks: each a module to run, which prints JSON; none is part of the test suite."""
