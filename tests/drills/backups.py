"""Backups made and brought back under load by the real commands, and what can be wrong with them.

An old one knows a user who was erased since, one has a byte that flipped, and a disk is full: where
the backup goes, where states are sorted on the way, where releases come back to. Workers go on
meanwhile, and nobody's answer is lost or given twice.
How a disk was made full, the figures say (harness/small_disk.py).
"""

import json
import logging
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.backup import chain
from infra.backup.place import Place
from infra.backup.restore import opened
from schemas.state import INTERACTION_BYTES
from schemas.topics import STATE_JOINS, USER_EVENTS
from tests.drills.check import logs
from tests.drills.check.archive import Wanted, check_archive
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.clickhouse import OwnClickHouse, own_clickhouse
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.small_disk import SmallDisk, small_disk
from tests.drills.harness.waiting import NotInTimeError, until
from tests.infra.command import tidemill
from tests.servers.bringing_up import write_films
from tests.servers.states import in_changelog, put
from tests.servers.workers import event

log = logging.getLogger(__name__)

SHORT = {"rate": 60.0, "users": 100, "disk_mb": 48}
_GONE = "gone"
_ELSEWHERE = "elsewhere"
"""A database without tables."""
_LEFT_BYTES = 16 * 1024
"""Of a full disk: enough to begin, and not for long."""
_SAID = ("No space left", "File too large")


def run(
    ground: Ground,
    *,
    rate: float = 300.0,
    users: int = 2_000,
    disk_mb: int = 256,
    mount: bool = True,
) -> Report:
    """`disk_mb`: of the disk that the backups are on. Not `mount`: a limit on files instead."""
    findings = Findings()
    with (
        ground.scene() as scene,
        own_clickhouse(ground) as server,
        small_disk(scene.folder / "disk", disk_mb, mount=mount) as disk,
    ):
        load = scene.load(rate, Mixture(users=users))
        scene.crew(2)
        archive = scene.crew(
            1, "archive", clickhouse=server.address, clickhouse_database=server.database
        )
        until("the first slates", lambda: scene.progress.answered() > 0)
        play = _Play(scene, server, disk, findings)
        old = play.erase_behind_a_backup()
        play.flip(old)
        play.full_while_saving()
        play.release()
        play.full_while_restoring()
        findings.take(scene.verdict())
        wanted = Wanted(scene.bootstrap, scene.inputs)
        until("every row", lambda: wanted.is_in(server.execute), 600.0, strict=False)
        check_archive(server.execute, wanted, findings)
        archive.stop()
        if in_changelog(scene.bootstrap)[_GONE].history:
            findings.add("erased users that came back", _GONE)
        figures = {"disk": disk.how, "events": load.sent, **play.figures}
    return report("backups", findings, figures)


@dataclass
class _Play:
    scene: Scene
    server: OwnClickHouse
    disk: SmallDisk
    findings: Findings
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> Path:
        return self.disk.folder / "kept"

    def erase_behind_a_backup(self) -> str:
        """Bring a backup from before an erasure back, by the command and, as it would be sent to
        a region that knew less, every state of it once more; and its rows into an empty archive.
        """
        scene = self.scene
        clicks = [(_GONE, event(f"{_GONE}-{number}", _GONE)) for number in range(5)]
        put(scene.bootstrap, USER_EVENTS.name, clicks)
        until("his clicks are kept", lambda: _clicks_of(scene, _GONE) == len(clicks))
        until("his rows are archived", lambda: self._rows_of(_GONE) == len(clicks))
        old = self.done("backup", "create", str(self.kept))
        assert old["tables_problem"] is None, old
        put(
            scene.bootstrap,
            USER_EVENTS.name,
            [(_GONE, event("erase", _GONE, "erase", item_id=None))],
        )
        until("he is erased", lambda: in_changelog(scene.bootstrap)[_GONE].erased_to_ms)
        self.figures["old"] = self._restored(old["id"])
        states = list(opened(Place(str(self.kept)), old["id"], None).states())
        assert _GONE.encode() in dict(states)
        put(scene.bootstrap, STATE_JOINS.name, [(user.decode(), data) for user, data in states])
        self.findings.looked("states joined once more", len(states))
        self._restored(old["id"], TIDEMILL_CLICKHOUSE_DATABASE=_ELSEWHERE)
        if self._rows_of(_GONE, _ELSEWHERE):
            self.findings.add("erased users that came back into an archive", _GONE)
        ((rows,),) = self.server.execute(f"SELECT count() FROM {_ELSEWHERE}.user_events FINAL")
        assert isinstance(rows, int)
        self.findings.looked("rows in an archive that was empty", rows)
        put(
            scene.bootstrap,
            USER_EVENTS.name,
            [(_GONE, event("again", _GONE, "request", item_id=None))],
        )
        return str(old["id"])

    def flip(self, id_: str) -> None:
        """A byte in a file of each kind: refused, named, and nothing was joined."""
        folder, before = self.kept / id_, self._joins()
        files = [file for file in sorted(folder.iterdir()) if file.stat().st_size > 1]
        for kind in ("manifest", "states-", "table-user_events"):
            file = next(one for one in files if one.name.startswith(kind))
            content = file.read_bytes()
            middle = len(content) // 2
            file.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
            for command in ("restore", "verify"):
                said = self.refused("backup", command, str(self.kept), id_)
                self.findings.looked("flipped bytes")
                if file.name not in said or "offset" not in said:
                    self.findings.add("damage that is not named", f"{command}: {said}")
            file.write_bytes(content)
        if self._joins() != before:
            self.findings.add("states of a damaged backup", f"{before}, then {self._joins()}")
        self.done("backup", "verify", str(self.kept), id_)

    def full_while_saving(self) -> None:
        """Where it goes, then where states are sorted: no backup, and the older ones are whole."""
        known = self._finished()
        scratch = {"TMPDIR": str(self._tmp())}
        for where, more in (("backups", {}), ("scratch", scratch)):
            with self.disk.full(_LEFT_BYTES):
                target = self.kept if where == "backups" else self.scene.folder / "roomy"
                self._must_be_full("backup", "create", str(target), "--full", **more)
            if self._finished() != known:
                self.findings.add("backups made on a full disk", str(self._finished()))
            self.done("backup", "verify", str(self.kept))
        made = self.done("backup", "create", str(self.kept), "--full")
        left = self.done("backup", "list", str(self.kept))["broken"]
        self.findings.add_all("unfinished backups that stay", left)
        self.done("backup", "verify", str(self.kept), made["id"])
        self.figures["saved"] = {what: made[what] for what in ("users", "rows", "bytes", "seconds")}

    def release(self) -> None:
        """One more that belongs into a backup. Only now: whoever looks at one loads torch."""
        films = write_films(self.scene.folder / "films.csv")
        self.done("train", "csv", "--data", str(films), "--no-evaluate")
        assert self.done("backup", "create", str(self.kept))["releases"] == ["recommender/1"]

    def full_while_restoring(self) -> None:
        """Where states are sorted, then where releases come back to."""
        before = self._joins()
        lost = self.disk.folder / "releases"
        for more in ({"TMPDIR": str(self._tmp())}, {"TIDEMILL_RELEASES": str(lost)}):
            with self.disk.full(_LEFT_BYTES):
                self._must_be_full("backup", "restore", str(self.kept), **more)
        half = [path for path in lost.rglob("*") if path.is_file() and path.name != ".lock"]
        self.findings.add_all("releases that are half there", half)
        if self._joins() != before:
            self.findings.add("states of a restore that failed", f"{before}, then {self._joins()}")
        done = self._restored(TIDEMILL_RELEASES=str(lost))
        self.figures["restored"] = done
        if done["releases"] != ["recommender/1"]:
            self.findings.add("releases that did not come back", str(done["releases"]))

    def done(self, *arguments: str, **more: str) -> Any:
        """What a command that must succeed says."""
        answer = self._tidemill(*arguments, **more)
        assert answer.returncode == 0, f"{arguments}: {answer.stderr}"
        return json.loads(answer.stdout)

    def refused(self, *arguments: str, **more: str) -> str:
        """The one line in which a command that must fail says why."""
        answer = self._tidemill(*arguments, **more)
        lines = answer.stderr.splitlines()
        if answer.returncode != 1 or len(lines) != 1:
            self.findings.add(
                "commands that should have failed in one line", f"{arguments}: {answer}"
            )
        return lines[-1] if lines else ""

    def _must_be_full(self, *arguments: str, **more: str) -> None:
        said = self.refused(*arguments, **more)
        self.findings.looked("full disks")
        if not any(words in said for words in _SAID):
            self.findings.add("full disks that are not told", said)
        self.scene.progress.wait_for_every_partition()

    def _restored(self, *id_: str, **more: str) -> Any:
        began_s = time.monotonic()
        made = self.done("backup", "restore", str(self.kept), *id_, "--wait", **more)["restored"]
        return made | {"seconds": round(time.monotonic() - began_s, 1)}

    def _tidemill(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        scene, server = self.scene, self.server
        log.info("tidemill %s", " ".join(arguments))
        given = {
            "TIDEMILL_TOOLS": str(server.home.tools),
            "TIDEMILL_KAFKA": scene.bootstrap,
            "TIDEMILL_PARTITIONS": str(scene.partitions),
            "TIDEMILL_CLICKHOUSE": server.address,
            "TIDEMILL_CLICKHOUSE_DATABASE": server.database,
            **more,
        }
        try:
            return tidemill(scene.folder, *arguments, "--json", **given)
        except subprocess.TimeoutExpired as error:
            raise NotInTimeError(str(error)) from error

    def _tmp(self) -> Path:
        folder = self.disk.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def _finished(self) -> list[str]:
        return [one.id for one in chain.finished(chain.found(Place(str(self.kept))))]

    def _joins(self) -> int:
        """Where they end, all partitions together."""
        admin = logs.administrator(self.scene.bootstrap)
        return sum(logs.ends(admin, STATE_JOINS.name, self.scene.partitions).values())

    def _rows_of(self, user_id: str, database: str = "tidemill") -> int:
        """His clicks in an archive."""
        ((count,),) = self.server.execute(
            f"SELECT count() FROM {database}.user_events FINAL"
            f" WHERE user_id = '{user_id}' AND kind = 'click'"
        )
        assert isinstance(count, int)
        return count


def _clicks_of(scene: Scene, user_id: str) -> int:
    found = in_changelog(scene.bootstrap).get(user_id)
    return 0 if found is None else len(found.history) // INTERACTION_BYTES
