"""What libpq is told for every session, whatever the database sets for its own.

Here: the variables. Not here: setting them, which the command line and Dagster's storage do for their processes.
"""

# Dagster stores the server's local time and reads it as UTC: in another time zone a run made now would be hours old,
# and be ended as one that never started. In an encoding that lacks a character, a statement with it cannot be sent.
SESSION_ENVIRONMENT = {"PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}
