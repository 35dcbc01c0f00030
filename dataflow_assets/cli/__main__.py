"""`python -m dataflow_assets.cli`: the same command, for the parts of `dataflow up`."""

from dataflow_assets.cli import main

if __name__ == "__main__":
    main()
