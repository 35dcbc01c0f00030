"""The platform's own records, in a PostgreSQL schema of its own: what landed, and what became of it.

They are a copy of what landing, the lake and the loads say, and can be made again. A module each: `deliveries`, what is
asked of them (`delivery_reports`, `volumes`) and their `rejects`; `discovery` of what is new; what tables were made
from (`event_days`, `snapshots`, `answers`); and the time zone of the whole (`identity`). `tables` describes all tables.
"""
