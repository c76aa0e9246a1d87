"""What the engine costs and how soon it answers, measured; called by `tidemill bench`.

Nothing here asserts a time: the tests beside the benchmarks prove only that the harness works.
"""
