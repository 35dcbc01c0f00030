"""`dataflow user`: who may use the API."""

import io
import json

import pytest

from dataflow_assets import cli
from dataflow_assets.settings import Settings


class Command:
    """The command in this process; what it printed, or the sentence with which it failed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str, given: str | bytes = "") -> str:
        data = given.encode() if isinstance(given, str) else given
        self._monkeypatch.setattr("sys.argv", ["dataflow", "user", *arguments])
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))
        try:
            cli.main()
        except SystemExit as end:
            if end.code:
                return self._capsys.readouterr().err
        return self._capsys.readouterr().out


@pytest.fixture
def user(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def test_users_are_added_changed_and_listed(user: Command) -> None:
    user("add", "ann", "--role", "admin", given="a long enough password\n")
    user("add", "player", "--machine", "--role", "writer", "--source", "stream")
    user("role", "ann", "reader")
    user("disable", "player")
    streams = ["streams"]
    assert json.loads(user("list", "--json")) == [
        {
            "name": "ann",
            "role": "reader",
            "sources": None,
            "delivers_to": None,
            "has_password": True,
            "is_disabled": False,
        },
        {
            "name": "player",
            "role": "writer",
            "sources": streams,
            "delivers_to": None,
            "has_password": False,
            "is_disabled": True,
        },
    ]
    user("sources", "player", "--deliver-to", "movie", "--deliver-to", "stream")
    [_, player] = json.loads(user("list", "--json"))
    assert (player["sources"], player["delivers_to"]) == (None, ["movies", "streams"])
    user("sources", "player")
    assert json.loads(user("list", "--json"))[1]["delivers_to"] is None
    assert "no longer" in user("list")


def test_a_key_is_shown_once_and_can_be_removed(user: Command) -> None:
    user("add", "player", "--machine")
    key = user("key", "add", "player", "--source", "streams").strip()
    assert key.startswith("dfk_")
    [listed] = json.loads(user("key", "list", "player", "--json"))
    assert listed["id"] == key.split("_")[1]
    assert listed["sources"] == ["streams"]
    user("key", "remove", listed["id"])
    assert json.loads(user("key", "list", "player", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (("add", "a b", "--machine"), "", "cannot be the name of a user"),
        (("add", "ann"), "short\n", "from 12 to 1,000 characters"),
        (("add", "ann", "--machine", "--source", "films"), "", "There is no source 'films'"),
        (("add", "ann"), "a long enough paßword\n".encode("latin-1"), "The password is no text in UTF-8."),
        (("role", "bob", "admin"), "", "There is no user 'bob'"),
        (("disable", "bob"), "", "There is no user 'bob'"),
        (("key", "add", "bob"), "", "There is no user 'bob'"),
        (("key", "remove", "00"), "", "There is no API key '00'"),
    ],
)
def test_what_cannot_be_done_is_told(
    user: Command, arguments: tuple[str, ...], given: str | bytes, sentence: str
) -> None:
    assert sentence in user(*arguments, given=given)


def test_a_name_is_given_once(user: Command) -> None:
    user("add", "ann", "--machine")
    assert "There is a user 'ann' already." in user("add", "ann", "--machine")
