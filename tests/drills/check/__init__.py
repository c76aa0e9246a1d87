"""The checker: reads the logs, the stores and the archive, and believes nobody.

It shares the contract (`schemas`) with the engine and nothing else: no lane, no state of a worker,
not even its fold. It may be slow; it must be easy to see that it is right.
"""
