"""The engine under the stages: batches in, one transaction out, a slot opened and closed whole."""
