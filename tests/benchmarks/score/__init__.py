"""`tidemill bench score`: how many slates a worker gets out of Triton, of those that it could give.

asking.py  who asks: synthetic users with pasts of the data set's own people
load.py    a program: requests to Triton alone, as many at once as it likes best
drain.py   a backlog of asks, through the worker
run.py     both in turn, medians, the bar
"""

from tests.benchmarks.score.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
