"""What any user of PostgreSQL needs: connections, COPY, locks, schemas, migrations, the embedded server."""
