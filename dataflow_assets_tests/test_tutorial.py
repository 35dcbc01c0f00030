"""The tutorial, done as it stands there: files are written, commands run, and they print what the page shows."""

import re

from dataflow_assets_tests.conftest import REPOSITORY
from dataflow_assets_tests.test_readme import Copy, copy

PAGE = (REPOSITORY / "docs/tutorial/first-answer.md").read_text()
BLOCKS = re.compile(r"(?P<before>.*?)^```(?P<language>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)

__all__ = ["copy"]


def test_the_tutorial_works_as_it_stands(copy: Copy) -> None:
    printed, done = "", {"bash": 0, "text": 0, "none": 0, "sql": 0}
    for block in BLOCKS.finditer(PAGE):
        language, text = block["language"], block["text"]
        done[language] += 1
        if language == "bash":
            runs = [copy.run(command) for command in text.splitlines()]
            printed = "".join(run.stdout + run.stderr for run in runs)
        elif language == "text":
            assert text.strip() in printed
        else:
            (copy.folder / re.findall(r"`([\w/]+\.\w+)`", block["before"])[-1]).write_text(text)
    assert done == {"bash": 5, "text": 5, "none": 2, "sql": 1}
