"""Benchmarks: each a module to run, which prints JSON; none is part of the test suite."""

import dataflow_assets  # noqa: F401  # before Polars, as every process of the platform
