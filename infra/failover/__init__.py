"""How an origin changes hands: promote, demote, failback.

What may be done and what is written, `streams.region.promotion` decides; here topics are read to
their ends, records are written, and it is waited for what must be true before the next step. The
truth is `region-ownership`; a journal only lets a command that was killed go on as itself.
"""
