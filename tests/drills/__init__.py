"""Drills: the engine is broken on purpose, and a checker of its own says what that cost.

`tidemill drill NAME` runs one at its full length; `test_drills.py` runs shorter ones of the same
code. The README says in which order to read this folder.
"""
