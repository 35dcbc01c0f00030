"""Bytes to typed rows: readers, validation, and the Delta tables that hold the result."""
