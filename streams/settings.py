"""Every setting of a worker, with its default, unit and reason; each is TIDEMILL_<NAME>."""

import re
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.events import KINDS, Kind
from schemas.state import FORMAT, FORMATS
from streams.scoring.balancing import Name as Balancing

Words = Annotated[tuple[str, ...], NoDecode]
"""Written as `a,b,c`."""


class Settings(BaseSettings):
    """Read from the environment once, when a process starts."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    region: str = Field("east", pattern=r"^[a-z][a-z0-9-]{0,31}$", description="this datacentre")
    region_number: int = Field(0, ge=0, le=15, description="part of every epoch written here")
    peers: Words = Field((), description="the other regions whose topics are mirrored here")
    kafka: str = Field("127.0.0.1:9092", description="bootstrap servers, host:port[,host:port]")
    partitions: int = Field(8, ge=1, description="partitions of the topics keyed by user")
    triton: Words = Field(("127.0.0.1:8001",), description="gRPC endpoints, host:port[,host:port]")
    triton_balancing: Balancing = Field(
        "round_robin",
        description="who of them gets a request: round_robin, random, latency (weighted by what was"
        " measured) or user (each user's own, which makes requests smaller)",
    )
    triton_hedges: float = Field(
        0.1,
        ge=0,
        le=1,
        description="second requests to another of them where the first takes longer than 95 of 100"
        " do; at most this share of all requests, and ten at once",
    )
    clickhouse: Words = Field(
        ("127.0.0.1:9000",),
        description="native protocol, host:port[,host:port]; each holds the whole archive",
    )
    archive_replica: int = Field(
        1,
        ge=1,
        description="which of these an archive worker fills, from 1; each has workers, and a"
        " consumer group, of its own",
    )
    clickhouse_user: str = Field("default", description="who writes the archive")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="of that user")
    clickhouse_database: str = Field("tidemill", description="where the archive's tables are")
    metrics_port: int = Field(0, ge=0, le=65535, description="of this process; 0 takes a free one")

    asking_kinds: Annotated[tuple[Kind, ...], NoDecode] = Field(
        ("click", "cart", "purchase", "rating", "hide", "search", "chat", "request"),
        description="the kinds of events that ask for a slate",
    )
    slate_size: int = Field(10, ge=1, le=100, description="items, where the event sets no limit")
    new_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="of a slate's places, for items newer than the release, which only their text"
        " places: unseen they would stay unknown, but a text says less than what people did; the"
        " same in every region; 0: none is shown",
    )
    new_items: int = Field(
        1_000,
        ge=1,
        le=20_000,
        description="at most have vectors beside a release, the newest ones; each costs every slate"
        " a product of as many numbers as its vector has, and a worker 2 kB; the same for all"
        " workers of a region",
    )
    score_deadline_ms: int = Field(
        250,
        ge=1,
        description="from an ask's append time until the fallback answers it; a person waits",
    )
    late_deadline_ms: int = Field(
        5000,
        ge=1,
        description="for a request of asks that were late when read; nobody waits for these",
    )
    lag_bound_s: float = Field(
        60.0,
        gt=0,
        description="how much older the oldest unanswered ask of a partition may grow while it"
        " waits for Triton; then the fallback answers until the partition has caught up",
    )
    fetch_wait_ms: int = Field(
        25, ge=0, le=1000, description="the broker gathers records this long; fewer transactions"
    )
    pending_records: int = Field(
        100_000,
        ge=1,
        description="read and not yet processed; at so many, partitions above their share pause",
    )
    batch_records: int = Field(
        100_000,
        ge=1,
        description="at most in one transaction; the larger a batch of a backlog, the fewer slates,"
        " for each answers all asks before it. A stage without transactions takes a block's rows",
    )
    pending_asks: int = Field(
        60_000,
        ge=1,
        description="to be answered at once, shared by a worker's partitions: each takes 6 to 12 KB"
        " until it is committed, and so many end a batch of a backlog",
    )
    archive_block_rows: int = Field(
        5_000, ge=1, description="at most in one insert; ClickHouse likes thousands"
    )
    transactions_per_s: int = Field(
        450,
        ge=1,
        description="of a worker, shared by its partitions: each costs a millisecond of CPU, so the"
        " more partitions, the longer each gathers",
    )
    commit_deadline_ms: int = Field(
        60_000, ge=1, description="for one transaction with its retries; then the worker exits"
    )
    state_dir: str = Field(
        "",
        description="of this worker alone, kept between its starts; empty: a folder that goes with"
        " the process, so each start reads the whole changelog",
    )
    state_format: int = Field(
        FORMAT,
        description="of the states written; raised once every region runs a release that reads it",
    )
    hot_mb: int = Field(
        512, ge=1, description="for states in memory, all partitions of this worker together"
    )
    native: Literal["auto", "off"] = Field(
        "auto",
        description="whether plain records go through compiled code: auto, where `make install`"
        " could compile it, for a fifth of what intake costs; off: all through Python, to see"
        " whether a fault is the code's",
    )
    flush_s: float = Field(
        10.0,
        gt=0,
        description="a cycle that writes all changed states to the changelog takes so long, and so"
        " long is what a start folds again; far below the retention of the input",
    )
    accept_lost_input: bool = Field(
        default=False,
        description="open partitions whose input was removed by retention before it was folded",
    )
    digest_s: float = Field(
        60.0,
        gt=0,
        description="a slice of the users' digests is published so often for the peers to compare;"
        " the same in every region",
    )
    digest_slices: int = Field(
        64,
        ge=1,
        description="slices of a partition's users, each in one record of at most 900 kB: some"
        " 9,000 users; the same in every region",
    )
    sample_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="of the users, by hash: their asks are scored here though another region"
        " answers them, to compare slates and to keep Triton warm; 0: none, and a promotion meets"
        " a cold one",
    )
    instance: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,200}$",
        description="static membership: a restart within the session timeout moves no partition;"
        " empty: dynamic",
    )
    session_timeout_ms: int = Field(
        6_000, ge=1000, description="without a heartbeat a worker's partitions move to others"
    )

    @property
    def filled_clickhouse(self) -> str:
        """Of an archive worker."""
        return self.clickhouse[self.archive_replica - 1]

    @field_validator("peers", "triton", "clickhouse", "asking_kinds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())

    @field_validator("clickhouse")
    @classmethod
    def _addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [one for one in addresses if not re.fullmatch(r".+:\d+", one)]
        if wrong or not addresses:
            raise ValueError(f"{', '.join(wrong) or 'nothing'} is no host:port")
        return addresses

    @field_validator("archive_replica")
    @classmethod
    def _one_of_them(cls, number: int, others: ValidationInfo) -> int:
        there = others.data.get("clickhouse", ())
        if there and number > len(there):
            raise ValueError(f"TIDEMILL_CLICKHOUSE names {len(there)}")
        return number

    @field_validator("state_format")
    @classmethod
    def _written(cls, layout: int) -> int:
        if layout not in FORMATS:
            raise ValueError(f"this release writes the formats {sorted(FORMATS)}")
        return layout

    @field_validator("asking_kinds")
    @classmethod
    def _known_kinds(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if "erase" in kinds:
            raise ValueError("erase cannot ask: there is nobody left to recommend to")
        assert set(kinds) <= set(KINDS)
        return kinds


def settings_sentence(error: ValidationError) -> str:
    """One line that names each wrong setting as it is written in the environment."""
    wrong = (
        f"TIDEMILL_{'_'.join(str(part) for part in problem['loc'][:1]).upper()}: {problem['msg']}"
        for problem in error.errors()
    )
    return "; ".join(wrong)
