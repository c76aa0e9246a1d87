"""`tidemill bench balance`: what each way of balancing makes of a Triton that stops now and then.

crowd.py   requests at a steady rate through the scorer itself, each counted from when it was due
pulses.py  one of two Tritons is stopped for a part of each second
run.py     every policy with and without hedges in turn, medians, the table
"""

from tests.benchmarks.balance.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
