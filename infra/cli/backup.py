"""`tidemill backup`: save a region's states, control topics, releases, archive; join them back."""

import signal
import threading
import time
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.table import Table

from infra.backup import chain, retention, schedule
from infra.backup import create as creating
from infra.backup import restore as restoring
from infra.backup import verify as verifying
from infra.backup.create import LONGEST_CHAIN, Asked
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.sealing import Key
from infra.backup.settings import BackupSettings
from infra.cli.bars import bar
from infra.cli.failures import failure_of
from infra.cli.join import wait_with_bar
from infra.cli.printing import out, print_json, tell
from infra.cli.region import region, region_settings

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Save this region's states, control topics, releases and archive; join them back.",
)  # fmt: skip
_MIB = 1024 * 1024
Url = Annotated[
    str, typer.Argument(metavar="URL", help="any fsspec URL: a folder, s3://, webhdfs://")
]
Id = Annotated[str | None, typer.Argument(metavar="[ID]", help="of one backup; else the newest")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document")]
Keep = Annotated[
    int | None, typer.Option(min=1, help="then remove all but the newest so many and their chains")
]
Tables = Annotated[bool, typer.Option("--tables/--no-tables", help="ClickHouse's tables too")]
Longest = Annotated[
    int, typer.Option("--chain", min=1, help="after so many in a chain, a full one begins anew")
]


@app.command()
def create(
    url: Url,
    *,
    full: Annotated[bool, typer.Option("--full", help="not only what changed")] = False,
    tables: Tables = True,
    longest_chain: Longest = LONGEST_CHAIN,
    keep: Keep = None,
    json: Json = False,
) -> None:
    """Save what changed since the newest backup there, or everything; workers go on meanwhile."""
    asked = Asked(full=full, tables=tables, longest_chain=longest_chain)
    made, gone = _made(url, asked, keep, hidden=json)
    if json:
        print_json(_document(made) | {"removed": gone})
        return
    tell(_sentence(made))
    for problem in made.missing_releases:
        tell(f"without the release {problem}")
    if gone:
        tell(f"removed: {', '.join(gone)}")


@app.command("list")
def list_backups(url: Url, *, json: Json = False) -> None:
    """What lies there, the newest last, and what of it is no backup."""
    known = chain.found(Place(url))
    if json:
        backups = [_document(one.manifest) for one in known if one.manifest]
        broken = [{"id": one.id, "problem": one.problem} for one in known if not one.manifest]
        print_json({"backups": backups, "broken": broken})
        return
    table = Table("id", "region", "kind", "goes on from", "users", "MiB", "encrypted", box=None)
    for one in known:
        if (made := one.manifest) is None:
            table.add_row(one.id, "", f"no backup: {one.problem}")
            continue
        parent = made.parent.id if made.parent else ""
        sealed = f"key {made.encryption.key}" if made.encryption else "no"
        size = f"{made.bytes / _MIB:.1f}"
        table.add_row(made.id, made.region, made.kind, parent, str(made.users), size, sealed)
    out.print(table)


@app.command()
def verify(url: Url, id_: Id = None, *, json: Json = False) -> None:
    """Restore a backup into a scratch place and compare everything with its manifest."""
    with bar("users compared", hidden=json) as show:
        links = verifying.verify(Place(url), id_, _key(), show)
    if json:
        print_json({"good": [_document(link) for link in links]})
        return
    for link in links:
        tell(
            f"{link.id} is whole: {link.users} users, {len(link.releases)} releases,"
            f" {_rows(link)} rows of the archive, as written"
        )


@app.command()
def restore(
    url: Url,
    id_: Id = None,
    *,
    ownership: Annotated[
        bool, typer.Option("--ownership", help="also who owns what, where no peer can say it")
    ] = False,
    tables: Tables = True,
    wait: Annotated[bool, typer.Option("--wait", help="until workers have joined them")] = False,
    json: Json = False,
) -> None:
    """Join a backup's states into this region, under load, any number of times; without an ID the
    newest backup of this region. Another region's is named by its ID.

    Nobody who was erased comes back, and nothing learned since is lost. What this region has
    already is not sent, so a call that was interrupted goes on where it was.
    """
    meant = region()
    settings = region_settings(meant)
    begun_s = time.monotonic()
    kept = restoring.opened(Place(url), id_, _key(), settings.region)
    with bar("states of the backup", hidden=json) as show:
        done = restoring.restore(
            settings, meant.local.place, kept,
            lambda joined: show(joined.read, kept.users), ownership=ownership, archive=tables,
            clickhouse_disks=BackupSettings().disks(settings.clickhouse),
        )  # fmt: skip
    if wait:
        wait_with_bar(settings, done.states, hidden=json)
    seconds = round(time.monotonic() - begun_s, 2)
    if json:
        print_json({"id": kept.newest.id, "seconds": seconds, "restored": done})
        return
    tell(f"{kept.newest.id}: {done.states.sentence()}; {seconds:.1f} s")
    for topic, keys in done.control.items():
        tell(f"{topic}: {', '.join(keys) if keys else 'nothing newer in the backup'}")
    if done.archive is not None:
        tell(done.archive.sentence())
    for problem in done.without.values():
        tell(f"nothing brought back there, restore again for it: {problem}")
    if done.releases:
        tell(f"releases: {', '.join(done.releases)}; `tidemill up` loads what is served")
    if done.stored:
        tell(f"releases put into the artifact store: {', '.join(done.stored)}")


@app.command("schedule")
def keep_making(
    url: Url,
    *,
    every: Annotated[str, typer.Option(help="from one to the next: 30m, 6h, 1d")] = "6h",
    longest_chain: Longest = LONGEST_CHAIN,
    tables: Tables = True,
    keep: Keep = None,
) -> None:
    """Make backups for ever, in the foreground, and verify each; SIGTERM ends it in good order."""
    try:
        every_s = schedule.seconds_of(every)
    except ValueError as error:
        raise typer.BadParameter(f"--every: {error}") from None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def last_ms() -> int | None:
        here = region_settings().region
        made = [one for one in chain.finished(chain.found(Place(url))) if one.region == here]
        return made[-1].created_ms if made else None

    def make() -> bool:
        try:
            asked = Asked(tables=tables, longest_chain=longest_chain)
            made, gone = _made(url, asked, keep, hidden=True)
            verifying.verify(Place(url), made.id, _key())
        except Exception as error:
            if (failure := failure_of(error)) is None:
                raise
            tell(f"no backup: {failure.sentence}")
            return False
        tell(f"{_sentence(made)}; verified{f'; removed {len(gone)}' if gone else ''}")
        return True

    tell(f"a backup to {url} every {every}; SIGTERM ends this")
    schedule.run(last_ms, make, every_s, stop, tell)


def _made(url: str, asked: Asked, keep: int | None, *, hidden: bool) -> tuple[Manifest, list[str]]:
    meant = region()
    settings = region_settings(meant)
    place = Place(url)
    asked = replace(asked, clickhouse_disks=BackupSettings().disks(settings.clickhouse))
    with bar("records of the changelog", hidden=hidden) as show:
        made = creating.create(settings, meant.local.place, place, _key(), asked, show)
    return made, retention.keep(place, settings.region, keep) if keep else []


def _key() -> Key | None:
    path = BackupSettings().backup_key_file
    return Key.read(path) if path else None


def _sentence(made: Manifest) -> str:
    without = f"; without what is new in ClickHouse: {made.archive_problem}"
    return (
        f"{made.id}: {made.kind}, {made.users} users, {len(made.releases)} releases,"
        f" {_rows(made)} rows of the archive, {made.bytes / _MIB:.1f} MiB in {made.took_s:.1f} s"
        f"{without if made.archive_problem else ''}"
    )


def _rows(made: Manifest) -> int:
    return made.archive.rows if made.archive else 0


def _document(made: Manifest) -> dict[str, Any]:
    return {
        "id": made.id,
        "region": made.region,
        "kind": made.kind,
        "parent": made.parent.id if made.parent else None,
        "created_ms": made.created_ms,
        "seconds": made.took_s,
        "users": made.users,
        "bytes": made.bytes,
        "partitions": made.partitions,
        "releases": [f"{one.model}/{one.version}" for one in made.releases],
        "missing_releases": made.missing_releases,
        "control": {one.topic: one.records for one in made.control},
        "rows": _rows(made),
        "tables_problem": made.archive_problem or None,
        "key": made.encryption.key if made.encryption else None,
    }
