"""Why a request is refused: errors that HTTP has a status of its own for.

Here: one class per kind, each with its status. Not here: the errors of the platform (see `errors`), whose statuses are
in `problems`, as are the answers.
"""

from collections.abc import Mapping
from typing import ClassVar

from dataflow_assets.errors import DataFlowError


class RefusalError(DataFlowError):
    """A request that is not carried out; `headers` go with the answer."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400

    def __init__(self, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.headers = dict(headers or {})


class NotAuthenticatedError(RefusalError):
    """Nobody is named, or the one who is named is not shown to be it."""

    code = "not_authenticated"
    status = 401

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, {"WWW-Authenticate": "Bearer"})


class NotAllowedError(RefusalError):
    """Who asks may not do this."""

    code = "not_allowed"
    status = 403


class NotAcceptableError(RefusalError):
    """What the request accepts is nothing that can be had."""

    code = "not_acceptable"
    status = 406


class TooSlowError(RefusalError):
    """The body does not come."""

    code = "too_slow"
    status = 408


class BusyError(RefusalError):
    """The same is being done at this moment."""

    code = "busy"
    status = 409


class AlreadyThereError(RefusalError):
    """An object is there that the request was not to replace."""

    code = "already_there"
    status = 412


class TooLargeError(RefusalError):
    """The body has more bytes than are taken."""

    code = "too_large"
    status = 413


class UnsupportedBodyError(RefusalError):
    """The body is of a kind that is not taken there."""

    code = "unsupported_body"
    status = 415


class UnusableError(RefusalError):
    """The request can be read, and what it says cannot be used."""

    code = "unusable"
    status = 422


class TooManyRequestsError(RefusalError):
    """Who asks has asked too often."""

    code = "too_many_requests"
    status = 429

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence, {"Retry-After": str(seconds)})


class OldProtocolError(RefusalError):
    """The answer needs a later version of HTTP."""

    code = "old_protocol"
    status = 505
