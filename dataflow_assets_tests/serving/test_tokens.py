"""The keys that sign tokens: where they come from, and replacing them."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from dataflow_assets.serving.refusals import NotAuthenticatedError
from dataflow_assets.serving.tokens import KeyRing, find_keys
from dataflow_assets.settings import load_settings

OLD, NEW = "o" * 32, "n" * 32


def test_a_token_of_an_older_key_holds_while_the_key_is_kept() -> None:
    token = KeyRing([OLD]).sign("ann")
    assert KeyRing([NEW, OLD]).verify(token) == "ann"
    with pytest.raises(NotAuthenticatedError):
        KeyRing([NEW]).verify(token)


def test_the_first_key_signs() -> None:
    assert KeyRing([NEW]).verify(KeyRing([NEW, OLD]).sign("ann")) == "ann"


def test_a_token_that_expired_says_so() -> None:
    keys = KeyRing([NEW])
    with pytest.raises(NotAuthenticatedError, match="has expired"):
        keys.verify(keys.sign("ann", timedelta(seconds=-1)))


@pytest.mark.parametrize("text", ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(NotAuthenticatedError):
        KeyRing([NEW]).verify(text)


def test_without_a_key_one_is_made_once_for_its_owner_alone(clean_environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    with ThreadPoolExecutor(8) as pool:
        found = {tuple(ring.keys) for ring in pool.map(lambda _: find_keys(settings), range(8))}
    assert len(found) == 1
    file = settings.home / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in settings.home.iterdir()] == ["secret_key"]


def test_the_keys_of_the_settings_count(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("SECRET_KEY", f"{NEW},{OLD}")
    assert find_keys(load_settings()).keys == [NEW, OLD]


def test_no_key_is_shown(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("SECRET_KEY", f"{NEW},{OLD}")
    settings = load_settings()
    assert settings.masked(f"{NEW},{OLD} {OLD} {NEW}") == "******** ******** ********"
