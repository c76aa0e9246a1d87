"""The metrics of `infra.watch_standby`, declared once; dashboards and alarms are built from these
names. Times are in seconds since 1970, so that they go on ageing when nobody looks any more.
"""

from prometheus_client import Gauge

READY = Gauge(
    "tidemill_standby_ready",
    "1 where this region could take the origin over, or go on as its owner; else 0",
    ["origin"],
)
AGAINST = Gauge(
    "tidemill_standby_against",
    "1 for what speaks against it: ownership, workers, mirror, lost, behind, users, model, triton",
    ["origin", "about"],
)
BEHIND = Gauge(
    "tidemill_standby_behind_records",
    "Records of the origin that are here and not folded",
    ["origin", "partition"],
)
HEARD_TIME = Gauge(
    "tidemill_standby_heard_time_seconds",
    "When the newest heartbeat was written that the mirror brought from the origin",
    ["origin"],
)
COMPARED_USERS = Gauge(
    "tidemill_standby_users",
    "Users compared with the origin's region: equal, differing, or differing_twice, who are part of"
    " those differing",
    ["origin", "found"],
)
SAMPLED = Gauge(
    "tidemill_standby_sampled",
    "Slates of the sample in the newest lists: scored by Triton, or failed",
    ["outcome"],
)
LOOKED_TIME = Gauge("tidemill_standby_looked_time_seconds", "When all this was last found out")
