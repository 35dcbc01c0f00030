"""What keeps a statement that a user wrote from changing anything, whichever driver runs it.

This keeps mistakes from doing harm. It is no wall against who has DATABASE_URL: they can connect without it.

Here: which statements may run, under which limits, and what the server's refusal means. Not here: running one (see
`query` and `query_copy`).
"""

import re
from collections.abc import Callable
from typing import Any

from dataflow_assets.errors import QueryError
from dataflow_assets.postgres.embedded.cluster import READER
from dataflow_assets.postgres.reading_role import READING_ROLE
from dataflow_assets.postgres.sql import identifier

# The server itself refuses changes: the transaction is made read-only before the statement runs (an option of the
# connection would not reach a server behind a pooler), and the protocol takes one statement at a time, so that none
# can end it. Where the user may, the statement runs as a role that only reads: not as the owner, who sees the logins of
# the API, nor as a superuser, who may read files of the server and end the sessions of others.
_ALLOWED = f"SELECT has_parameter_privilege('temp_file_limit', 'SET'), ({READING_ROLE})"
_TEMPORARY_FILES = "10GB"  # the most that a statement may write to the server's disk for sorts and joins
LONGEST = 600  # seconds that a statement may take

# But it lets through what goes past its tables, such as COPY TO PROGRAM of a superuser. So the first word is looked at.
_SPACE = re.compile(r"(?:[\s(]|--[^\n\r]*|/\*(?:(?!/\*|\*/).)*\*/)*", re.DOTALL)
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|--[^\n\r]*""")  # what holds a semicolon that ends nothing
_OTHER_QUOTES = re.compile(r"\\|/\*|\$\w*\$")  # with which _QUOTED may be wrong: escapes, comments, texts in dollars
_READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN")
STREAMED = ("SELECT", "WITH", "VALUES", "TABLE")  # by COPY, as which the others cannot be run
_AS_WHOM = f"Statements run as {READER} where they can; `dataflow psql` connects as the owner."
_REFUSED_BY_THE_SERVER = ("INSERT", "UPDATE", "DELETE", "MERGE")


def require_reading(statement: str) -> str:
    """What follows blanks, brackets and comments, in capitals: it begins with a word that reads."""
    space = _SPACE.match(statement)
    assert space
    text = statement[space.end() :].upper()
    if not text.startswith(_READING + _REFUSED_BY_THE_SERVER):
        raise QueryError(f"Only one statement that reads can be run: it begins with {', '.join(_READING)}.")
    return text


def is_streamed(statement: str) -> bool:
    """Whether the rows of a statement can be had by COPY, as they come.

    Raises:
        QueryError: it does not begin with a word that reads.
    """
    text = statement.rstrip().removesuffix(";")
    is_one = ";" not in text or (not _OTHER_QUOTES.search(text) and ";" not in _QUOTED.sub("", text))
    return require_reading(statement).startswith(STREAMED) and is_one


def guard(run: Callable[[str], list[tuple[Any, ...]]], seconds: int) -> None:
    """Let a transaction that has just begun change nothing, and bound what it may take of the server.

    Args:
        run: runs a statement in it, and gives its rows.
        seconds: after which the server ends a statement.
    """
    run("SET TRANSACTION READ ONLY")
    [(is_read_only,)] = run("SHOW transaction_read_only")
    if is_read_only != "on":
        raise QueryError("The database did not make the transaction read-only, so that nothing was run.")
    run(f"SET LOCAL statement_timeout = '{seconds}s'")
    [(may_limit, role)] = run(_ALLOWED)
    if may_limit:
        run(f"SET LOCAL temp_file_limit = '{_TEMPORARY_FILES}'")
    if role:
        run(f"SET LOCAL ROLE {identifier(role)}")


def refusal(error: Exception, ahead: int = 0) -> QueryError:
    """What the server said, as an error of the user; so many lines stood ahead of the statement."""
    said = f"The database refused the statement: {explain_refusal(error, ahead)}."
    return QueryError(f"{said} {_AS_WHOM}" if "permission denied for" in said else said)


def explain_refusal(error: Exception, ahead: int = 0) -> str:
    """What the server said, without what the driver puts around it; so many lines stood ahead of the statement."""
    text = re.split(r"(?:ERROR|FATAL):", str(error), maxsplit=1)[-1].split("\n\nQuery was:", 1)[0]
    text = text.replace("[libpq] ", "")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(". SQLSTATE")]
    place = re.fullmatch(r"LINE (\d+)(: .*)", lines[1]) if len(lines) > 1 else None
    detail = f" (LINE {int(place[1]) - ahead}{place[2]})" if place else ""
    return f"{lines[0].removesuffix('.') if lines else 'without a word'}{detail}"
