"""The metrics of a prober, declared once; dashboards and alarms are built from these names.
Times are in seconds since 1970, so that they go on ageing when nobody looks any more.
"""

from prometheus_client import Counter, Gauge

HEARD_TIME = Gauge(
    "tidemill_prober_heard_time_seconds",
    "When the observer last heard the region, by its Kafka or by the mirror's heartbeats",
    ["observer", "region", "way"],
)
LOOKED_TIME = Gauge(
    "tidemill_prober_looked_time_seconds",
    "When the observer last looked at the region, heard or not",
    ["observer", "region"],
)
LOST = Gauge(
    "tidemill_prober_lost",
    "1 where the region is lost: to this prober, and to the regions' own if this one is outside",
    ["region"],
)
DOUBTED = Gauge(
    "tidemill_prober_doubted",
    "1 where this prober has lost the region and another one has not, or cannot tell",
    ["region"],
)
END = Gauge(
    "tidemill_prober_end_offset",
    "Where the region's user-events ended when they were last seen",
    ["region", "partition"],
)
PROMOTIONS = Counter(
    "tidemill_prober_promotions",
    "What --automatic did: done, or refused, as often as it was tried",
    ["region", "outcome"],
)
