"""The boxes of streams/topology.py: what each stage does with a batch."""
