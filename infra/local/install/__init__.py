"""Brings the real servers into one folder: `steps.install` has the order, each other file a part.

A server's file in `infra.local` asks the part that it runs where its program is.
"""
