"""`tidemill bench latency`: how long after an event its recommendation can be read.

generator.py  a program: events at scheduled times, whatever becomes of them
reader.py     a program: what arrived of a topic, and when
waits.py      from both: how long each ask waited; pure
measure.py    one run of one setup
run.py        all setups in turn, medians, bars
"""

from tests.benchmarks.latency.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
