"""The example that the package shows works as it stands there."""

import doctest

from dataflow_assets import io_managers


def test_the_example_of_the_package_runs(empty_database_url: str) -> None:
    assert io_managers.__doc__
    names = {"url": empty_database_url}
    example = doctest.DocTestParser().get_doctest(io_managers.__doc__, names, "io_managers", io_managers.__file__, 0)
    assert example.examples
    result = doctest.DocTestRunner().run(example)
    assert (result.failed, result.attempted) == (0, len(example.examples))
