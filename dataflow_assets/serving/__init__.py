"""The platform over HTTP: its tables and answers to read, records and files to send in.

Here: the app, who may do what, how requests are answered, and a module for each resource under `routes`. Not here: the
work itself (see `warehouse`, `ledger` and `landing`), and Dagster, which this knows nothing of.
"""

from dataflow_assets.core.memory import prepare_server

prepare_server()
