"""How many examples hypothesis tries where one takes long: a share of the profile's, so that a nightly run tries more.

Here: that setting. Not here: the profiles (see `conftest`).
"""

from hypothesis import HealthCheck, settings


def examples(share: float) -> settings:
    """A share of the profile's examples, which use the fixtures of one test together."""
    most = max(1, round(share * settings().max_examples))
    return settings(
        max_examples=most, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    )
