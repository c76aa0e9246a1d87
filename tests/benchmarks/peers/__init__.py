"""The engines that `tidemill bench engine` compares with, each a program of its own.

Each is called with the same four arguments (`progress.Call`), does the work of `work.py` and tells
its progress on stdout as `progress.py` says. quix and bytewax run in an environment of their own
(`install.py`), so nothing they import may come from our packages.
"""
