"""What the tests of `tidemill up` start from: a free port for every server, a log to learn from."""

from pathlib import Path

PORTS = (
    "KAFKA", "KAFKA_CONTROLLER", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS", "CLICKHOUSE",
    "CLICKHOUSE_HTTP", "PROMETHEUS",
)  # fmt: skip
PEOPLE, FILMS, SEEN = 30, 40, 8


def write_films(log: Path) -> Path:
    """Each person saw some films in a row."""
    rows = [
        f"user-{user},film-{(user + n) % FILMS},{1_700_000_000 + user * 100 + n},Film {n}"
        for user in range(PEOPLE)
        for n in range(SEEN)
    ]
    log.write_text("\n".join(["user_id,item_id,timestamp,title", *rows]) + "\n")
    return log
