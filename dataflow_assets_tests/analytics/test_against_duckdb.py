from pathlib import Path

from benchmarks import answers


def test_each_answer_is_what_duckdb_says(tmp_path: Path) -> None:
    answers.compare(answers.write_tables(tmp_path, 2_000), rounds=1)
