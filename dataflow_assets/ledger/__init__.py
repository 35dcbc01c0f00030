"""The platform's own record: what landed, what became of it, and which rows were rejected."""
