"""`tidemill bench backup`: how long so many users take to be saved and to be brought back.

people.py  their states, written into a changelog
run.py     saved, verified, joined into an empty region with a worker, and compared; the document
"""

from tests.benchmarks.backup.run import Options, run, tables

__all__ = ["Options", "run", "tables"]
