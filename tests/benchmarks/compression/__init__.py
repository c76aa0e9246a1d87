"""`tidemill bench compression`: what each way of making the transformer smaller costs and gives.

served.py two of them through Triton
run.py    one transformer of a data set, made smaller in each way; bytes, quality, rate
"""

from tests.benchmarks.compression.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
