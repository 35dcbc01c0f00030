"""A terminal as a person sees it: a command runs in a pseudo-terminal, and what it writes becomes lines.

Here: running it, and the few control sequences that our commands use. Not here: expectations.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow_assets_tests.warm import start_dataflow, wait_for

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


@dataclass(frozen=True)
class Seen:
    """What stood in the terminal at the end, line by line, folded as a terminal does; and the exit code."""

    lines: list[str]
    code: int
    raw: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def run_in_terminal(
    arguments: Sequence[str], columns: int, environment: Mapping[str, str], stop_after: str | None = None
) -> Seen:
    """Run `dataflow` in a terminal of so many columns; Ctrl-C is pressed after it has written a certain text."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    process = start_dataflow(arguments, environment, (theirs, theirs, theirs))
    os.close(theirs)
    written = b""
    try:
        while part := _read(ours):
            written += part
            if stop_after and stop_after.encode() in written:
                os.kill(process.pid or 0, signal.SIGINT)
                stop_after = None
        code = wait_for(process)
    finally:
        process.kill()
        os.close(ours)
    raw = written.decode()
    return Seen(_screen(raw, columns), code, raw)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the last process of the terminal is gone
        return b""


def _screen(text: str, columns: int) -> list[str]:
    """The lines that stand in a terminal at the end."""
    lines, row, column = [""], 0, 0
    for token in _TOKEN.finditer(text):
        match token[0], token[2]:
            case "\n", _:
                row += 1
                lines += [""] * (row + 1 - len(lines))
            case "\r", _:
                column = 0
            case _, "A":
                row -= int(token[1] or 1)
            case _, "K":
                lines[row] = lines[row][:column] if token[1] in ("", "0") else ""
            case shown, None:
                lines[row] = lines[row][:column].ljust(column) + shown + lines[row][column + len(shown) :]
                column += len(shown)
            case _:
                pass  # colours, and whether the cursor is shown
    folded = [line[start : start + columns] for line in lines for start in range(0, max(len(line), 1), columns)]
    while folded and not folded[-1].strip():
        folded.pop()
    return [line.rstrip() for line in folded]
