"""`tidemill bench engine`: what an event costs in each engine, on the same topic, in one run.

engines.py          how each engine is started and which of its topics holds the slates
measure.py          one run of one engine
memory.py           what a hot user costs in memory
run.py              all runs in turn, medians, bars
slate.py            the slate that all of them write
tidemill_worker.py  our worker with that slate, telling its progress
"""

from tests.benchmarks.engine.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
