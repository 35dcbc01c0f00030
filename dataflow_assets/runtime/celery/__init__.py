"""Runs on other processes and machines: Celery workers behind Redis, where `REDIS_URL` says so.

Here: sending runs, the workers that make them, and who of them lives. Not here: the workers of one machine (see
`run_server`).
"""
