"""Every metric of a worker, declared once; the dashboards are built from these names.

Times are in seconds, as Prometheus asks. `partition` is the partition of the user topics.
"""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

EVENTS = Counter("tidemill_events", "Records read and processed", ["stage", "topic", "partition"])
RECOMMENDATIONS = Counter(
    "tidemill_recommendations",
    "Slates committed; fallback is none, deadline, unavailable or cold_user",
    ["surface", "fallback", "version"],
)
DEAD_LETTERS = Counter("tidemill_dead_letters", "Records refused", ["topic", "reason"])
FORWARDED = Counter(
    "tidemill_forwarded", "Misplaced records put into the right partition", ["producer"]
)
UNKNOWN_FIELDS = Counter(
    "tidemill_unknown_fields", "Messages that held a field not known here", ["topic"]
)
BATCH_RECORDS = Histogram("tidemill_batch_records", "Records a batch", ["stage"], buckets=_ROWS)
COMMIT_SECONDS = Histogram(
    "tidemill_commit_seconds", "From begin to committed", ["stage"], buckets=_LATENCY_S
)
SCORING_SECONDS = Histogram(
    "tidemill_scoring_seconds", "One request to Triton", ["outcome"], buckets=_LATENCY_S
)
SCORED_USERS = Histogram(
    "tidemill_scored_users", "Users a request to Triton", buckets=(1, 2, 4, 8, 16, 32)
)
ANSWER_SECONDS = Histogram(
    "tidemill_answer_seconds",
    "From an ask's append time to its slate's commit",
    ["surface"],
    buckets=_LATENCY_S,
)
ARCHIVED_ROWS = Counter("tidemill_archived_rows", "Rows that ClickHouse took", ["table"])
ARCHIVE_SKIPPED = Counter(
    "tidemill_archive_skipped", "Records that cannot be rows", ["topic", "reason"]
)
ARCHIVE_WAITING = Gauge(
    "tidemill_archive_waiting_slots", "Slots whose batch waits until ClickHouse takes rows"
)
LAG = Gauge(
    "tidemill_lag_records",
    "Behind the end of the partition, seen from the worker",
    ["stage", "topic", "partition"],
)
USERS = Gauge("tidemill_users", "Users whose state is held", ["partition"])
OWNED_EPOCH = Gauge(
    "tidemill_owned_epoch", "The epoch at which this region publishes; 0: it does not", ["origin"]
)
SERVED_VERSION = Gauge(
    "tidemill_served_version", "1 for the model version that is asked for", ["model", "version"]
)
CATALOGUE_ITEMS = Gauge("tidemill_catalogue_items", "Items known; by availability", ["available"])
