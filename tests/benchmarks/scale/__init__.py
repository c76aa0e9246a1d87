"""`tidemill bench scale`: how the engine's cost, delay and restore grow.

workers.py     1, 2, 4 workers drain a backlog
partitions.py  4, 32, 64 partitions on one worker, at a service's pace
users.py       10k, 100k, 1 M users: cost of an event, restore, bytes
run.py         all of it; the document
The curve is drawn by tests/benchmarks/peers/curve.py.
"""

from tests.benchmarks.scale.run import Options, draw, run, tables

__all__ = ["Options", "draw", "run", "tables"]
