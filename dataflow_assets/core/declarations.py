"""What somebody declared that cannot be used.

Here: in which file it is. Not here: what is wrong with it, which a declaration says as it is made, by a ValueError.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_assets.errors import DeclarationError


@contextmanager
def declared_in(file: str) -> Iterator[None]:
    """Import or make what a file declares.

    Raises:
        DeclarationError: it cannot be used, and why.
    """
    try:
        yield
    except ValueError as error:
        raise DeclarationError(f"{file} declares what cannot be used: {str(error).rstrip('.')}.") from error
