"""The examples in docstrings run as they stand there, and a package has every name that it offers."""

import doctest
import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import dataflow_assets
from dataflow_assets.postgres import embedded
from dataflow_assets.settings import variable_names

# A notebook imports these; each has an example.
PACKAGES = ("analytics", "core", "io_managers", "lake", "landing", "ledger", "postgres", "sources", "warehouse")


def modules_with_examples() -> list[str]:
    """Every module whose text has a prompt, found without importing any."""
    top = Path(dataflow_assets.__path__[0])
    names = [found.name for found in pkgutil.walk_packages([str(top)], "dataflow_assets.", onerror=lambda _: None)]
    files = {name: top.parent.joinpath(*name.split(".")) for name in names}
    texts = {
        name: (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
        for name, path in files.items()
    }
    return sorted(name for name, text in texts.items() if ">>> " in text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, and an environment without any setting; the examples share one platform."""
    folder, before = tmp_path_factory.mktemp("examples"), Path.cwd()
    with pytest.MonkeyPatch.context() as environment:
        for name in variable_names():
            environment.delenv(name, raising=False)
        os.chdir(folder)
        yield folder
        os.chdir(before)
    embedded.release(folder / "platform")


@pytest.mark.parametrize("name", modules_with_examples())
def test_an_example_gives_what_it_says(folder: Path, name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(verbose=False)
    said: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs={}):
        runner.run(example, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)
    assert runner.tries, f"{name} has a prompt, but no example that doctest finds"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_for_notebooks_has_an_example_and_offers_what_is_there(name: str) -> None:
    package: ModuleType = importlib.import_module(f"dataflow_assets.{name}")
    assert package.__name__ in modules_with_examples()
    assert package.__all__ == sorted(package.__all__)
    assert [missing for missing in package.__all__ if not hasattr(package, missing)] == []


def test_a_name_that_a_package_does_not_offer_is_told() -> None:
    with pytest.raises(AttributeError, match=r"module 'dataflow_assets\.lake' has no attribute 'nonsense'"):
        _ = importlib.import_module("dataflow_assets.lake").nonsense


def test_the_package_is_typed() -> None:
    assert Path(dataflow_assets.__path__[0], "py.typed").is_file()
