"""One real ClickHouse server on this machine (Debian's 18.16), small enough for a laptop.

The configuration is written here in full, so no file of the system matters. The archive's tables
are made by the migrations, this file only sees to the database.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from clickhouse_driver import Client

from infra.local.home import Home
from infra.local.install import packages
from infra.local.ports import HOST, is_open
from infra.local.supervisor import Server


@dataclass(frozen=True)
class ClickHouse:
    """Where the server listens and what it may use."""

    port: int
    http_port: int
    memory_mb: int = 1024
    database: str = "tidemill"
    ready_timeout_s: float = 120.0
    stop_timeout_s: float = 30.0
    name: str = "clickhouse"
    """Of the process, its log and its data; several may run in one home."""

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


def server(home: Home, clickhouse: ClickHouse) -> Server:
    """The server, with its data in <home>/data/<its name>."""
    config = home.run / f"{clickhouse.name}.xml"
    return Server(
        name=clickhouse.name,
        command=(
            packages.program(home.tools, "usr/sbin/clickhouse-server"),
            f"--config-file={config}",
        ),
        env=packages.environment(home.tools),
        ports={
            "TIDEMILL_CLICKHOUSE_PORT": clickhouse.port,
            "TIDEMILL_CLICKHOUSE_HTTP_PORT": clickhouse.http_port,
        },
        prepare=lambda: _prepare(home, clickhouse, config),
        ready=lambda: answers(clickhouse),
        ready_timeout_s=clickhouse.ready_timeout_s,
        stop_timeout_s=clickhouse.stop_timeout_s,
    )


def answers(clickhouse: ClickHouse) -> bool:
    """Whether it answers a query by the native protocol; makes the database on the way."""
    if not is_open(clickhouse.port):
        return False  # the driver would write a traceback to the terminal
    client = Client(HOST, clickhouse.port, connect_timeout=2, send_receive_timeout=5)
    try:
        client.execute(f"CREATE DATABASE IF NOT EXISTS `{clickhouse.database}`")
        return bool(client.execute("SELECT 1") == [(1,)])
    finally:
        client.disconnect()


def config_text(clickhouse: ClickHouse, data: Path, users: Path) -> str:
    """config.xml. The root element's name is what a server of 2018 asks for; newer ones take it."""
    place = escape(str(data))
    return f"""<?xml version="1.0"?>
<yandex>
    <logger>
        <level>warning</level>
        <console>1</console>
    </logger>
    <listen_host>{HOST}</listen_host>
    <tcp_port>{clickhouse.port}</tcp_port>
    <http_port>{clickhouse.http_port}</http_port>
    <path>{place}/</path>
    <tmp_path>{place}/unfinished/</tmp_path>
    <user_files_path>{place}/user_files/</user_files_path>
    <format_schema_path>{place}/format_schemas/</format_schema_path>
    <users_config>{escape(str(users))}</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <timezone>UTC</timezone>
    <max_connections>64</max_connections>
    <max_concurrent_queries>32</max_concurrent_queries>
    <mark_cache_size>{64 * 1024**2}</mark_cache_size>
    <uncompressed_cache_size>0</uncompressed_cache_size>
    <mlock_executable>false</mlock_executable>
    <merge_tree>
        <max_bytes_to_merge_at_max_space_in_pool>{1024**3}</max_bytes_to_merge_at_max_space_in_pool>
    </merge_tree>
</yandex>
"""


def users_text(clickhouse: ClickHouse) -> str:
    """users.xml: one user without a password, from this machine only; two cores."""
    return f"""<?xml version="1.0"?>
<yandex>
    <profiles>
        <default>
            <max_memory_usage>{clickhouse.memory_mb * 1024**2}</max_memory_usage>
            <max_threads>2</max_threads>
            <background_pool_size>2</background_pool_size>
            <background_schedule_pool_size>2</background_schedule_pool_size>
        </default>
    </profiles>
    <users>
        <default>
            <password></password>
            <networks><ip>{HOST}</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
        </default>
    </users>
    <quotas>
        <default></default>
    </quotas>
</yandex>
"""


def _prepare(home: Home, clickhouse: ClickHouse, config: Path) -> None:
    data = home.data / clickhouse.name
    for folder in (data / "unfinished", data / "user_files", data / "format_schemas", home.run):
        folder.mkdir(parents=True, exist_ok=True)
    users = home.run / f"{clickhouse.name}-users.xml"
    users.write_text(users_text(clickhouse))
    config.write_text(config_text(clickhouse, data, users))
