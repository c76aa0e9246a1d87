"""Whether each region lives, as it is seen from one place: in a region, or outside of all.

A prober asks every region's Kafka where its events end, several times a second, and remembers what
it heard; one in a region also counts the heartbeats that the mirror brings. It decides nothing and
writes nothing: `infra.failover.automatic` may, by `streams.region.detection`. Decision 24 says why.
Started by `tidemill region watch`, and by `tidemill up` where there are peers.
"""
