"""Every metric of a worker, declared once; the dashboards are built from these names.

Times are in seconds, as Prometheus asks. `partition` is the partition of the user topics.
"""

from contextlib import suppress

from prometheus_client import Counter, Enum, Gauge, Histogram

from schemas.topics import USER_EVENTS
from streams.histograms import BulkHistogram

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)

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
BATCH_RECORDS = Histogram(
    "tidemill_batch_records", "Records a batch", ["stage", "topic", "partition"], buckets=_ROWS
)
COMMIT_SECONDS = Histogram(
    "tidemill_commit_seconds",
    "From begin to committed",
    ["stage", "topic", "partition"],
    buckets=_LATENCY_S,
)
SCORING_SECONDS = Histogram(
    "tidemill_scoring_seconds",
    "One request to one Triton; slow: another one answered, and this one had not after three times"
    " as long as it takes",
    ["endpoint", "outcome"],
    buckets=_LATENCY_S,
)
TRITON_IN_FLIGHT = Gauge(
    "tidemill_triton_in_flight", "Requests on their way to a Triton", ["endpoint"]
)
TRITON_EJECTED = Gauge(
    "tidemill_triton_ejected",
    "1: a Triton that gets probes only, as seen by a worker",
    ["endpoint"],
)
TRITON_LATENCY = Gauge(
    "tidemill_triton_latency_seconds",
    "What a Triton takes to answer: a mean that rises at once and falls over seconds",
    ["endpoint"],
)
HEDGES = Counter(
    "tidemill_hedges",
    "Requests without an answer at the p95: asked of a second Triton, which won or lost; or not,"
    " for the budget was used up (refused)",
    ["outcome"],
)
for _outcome in ("won", "lost", "refused"):
    HEDGES.labels(_outcome)  # 0 from the start: what never happened is told, too
SCORED_USERS = Histogram(
    "tidemill_scored_users", "Users a request to Triton", buckets=(1, 2, 4, 8, 16, 32)
)
ANSWER_SECONDS = BulkHistogram(
    "tidemill_answer_seconds",
    "From an ask's append time to its slate's commit",
    "surface",
    _LATENCY_S,
)
LATE_ASKS = Counter(
    "tidemill_late_asks",
    "Answered asks that were past their deadline when read: scored, or fallback (lag grew past its"
    " bound)",
    ["outcome"],
)
SAMPLED_SLATES = Counter(
    "tidemill_sampled_slates",
    "Slates that a standby made to compare and did not publish; fallback as of recommendations",
    ["fallback"],
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
WAITING = Gauge(
    "tidemill_waiting_seconds",
    "How long an open partition waits and for what; no series where it waits for nothing",
    ["stage", "topic", "partition", "waits_for"],
)
USERS = Gauge(
    "tidemill_users",
    "Users by where their state is: hot (memory) or all (store; an estimate that counts a user once"
    " for each write that RocksDB has not merged yet)",
    ["partition", "in"],
)
USER_BYTES = Gauge("tidemill_user_bytes", "Mean size of a user's state", ["partition"])
DIRTY_USERS = Gauge(
    "tidemill_dirty_users", "Users changed since they were written to the changelog", ["partition"]
)
MARKER_TIME = Gauge(
    "tidemill_marker_time_seconds",
    "A start folds what was appended since then, in seconds since 1970: the last marker; now,"
    " where all is in the changelog. Its age must stay far below the retention of the input",
    ["partition"],
)
INPUT_RETENTION = Gauge(
    "tidemill_input_retention_seconds", "How long the broker keeps an event that nobody has folded"
)
INPUT_RETENTION.set((USER_EVENTS.retention_ms or 0) / 1000)
DUE_ASKS = Gauge(
    "tidemill_due_asks", "Late asks and those of former times, to be answered", ["partition"]
)
PHASES = ("queued", "fencing", "restoring", "replaying", "open")
PHASE = Enum("tidemill_phase", "What a partition is at", ["partition"], states=list(PHASES))
RESTORE_LEFT = Gauge(
    "tidemill_restore_left_records", "To be read before the partition is open", ["partition"]
)
OWNED_EPOCH = Gauge(
    "tidemill_owned_epoch", "The epoch at which this region publishes; 0: it does not", ["origin"]
)
SERVED_VERSION = Gauge(
    "tidemill_served_version", "1 for the model version that is asked for", ["model", "version"]
)
CATALOGUE_ITEMS = Gauge("tidemill_catalogue_items", "Items known; by availability", ["available"])
NEW_ITEMS = Gauge(
    "tidemill_new_items", "Items newer than the release that have a vector beside it", ["version"]
)


def phase(partition: int, name: str) -> None:
    """A partition of the users is at one of PHASES now."""
    PHASE.labels(str(partition)).state(name)


OF_A_PARTITION = (USER_BYTES, DIRTY_USERS, MARKER_TIME, DUE_ASKS, PHASE, RESTORE_LEFT)


def forget(partition: int) -> None:
    """A partition is given up: its figures are somebody else's now."""
    for gauge in OF_A_PARTITION:
        with suppress(KeyError):
            gauge.remove(str(partition))
    for place in ("hot", "all"):
        with suppress(KeyError):
            USERS.remove(str(partition), place)
