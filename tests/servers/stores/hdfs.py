"""HDFS on this machine: one name node, one data node, each a process of its own."""

import hashlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.install import jars, java
from infra.local.supervisor import Server

_POM = Path(__file__).with_name("pom.xml")
_MAIN = "org.apache.hadoop.hdfs.server"
_HEAP_MB = 192
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def running(root: Path, tools: Path) -> Iterator[str]:
    """The URL of its root by WebHDFS; everybody may write. Fetches its jars once a machine."""
    classes = tools / f"hdfs-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if not classes.is_dir():
        jars.copy(tools, _POM, classes, "HDFS's jars")
    home = Home(root, tools)
    chosen = _ports(5)
    conf = root / "conf"
    _configure(conf, root / "data", chosen)
    command = (str(java.require(tools)), f"-Xmx{_HEAP_MB}m", "-XX:+UseSerialGC", "-cp",
               f"{conf}:{classes}/*")  # fmt: skip
    name_node = f"{_MAIN}.namenode.NameNode"
    subprocess.run(
        [*command, name_node, "-format", "-nonInteractive"], check=True, capture_output=True
    )
    web = f"{ports.HOST}:{chosen[1]}"
    nodes = [
        Server(
            name="hdfs-name", command=(*command, name_node), ready=lambda: _live(web) is not None
        ),
        Server(
            name="hdfs-data",
            command=(*command, f"{_MAIN}.datanode.DataNode"),
            ready=lambda: _live(web) == 1,
        ),
    ]
    try:
        supervisor.start(home, nodes)
        yield f"webhdfs://{os.environ.get('USER', 'root')}@{web}"
    finally:
        supervisor.stop(home.run)


def _live(web: str) -> int | None:
    """Data nodes that the name node knows; None while it lets nobody write."""
    query = "qry=Hadoop:service=NameNode,name=NameNodeInfo"
    with _DIRECT.open(f"http://{web}/jmx?{query}", timeout=5) as answer:
        beans = json.load(answer)["beans"]
    if not beans:
        return None
    return None if beans[0]["Safemode"] else len(json.loads(beans[0]["LiveNodes"]))


def _configure(conf: Path, data: Path, chosen: list[int]) -> None:
    rpc, web, *of_data = chosen
    conf.mkdir(parents=True)
    at = dict(zip(("address", "http.address", "ipc.address"), of_data, strict=True))
    core = {"fs.defaultFS": f"hdfs://{ports.HOST}:{rpc}", "hadoop.tmp.dir": str(data)}
    hdfs = {
        "dfs.namenode.http-address": f"{ports.HOST}:{web}",
        "dfs.replication": "1",
        "dfs.permissions.enabled": "false",
        "dfs.datanode.hostname": ports.HOST,
        **{f"dfs.datanode.{name}": f"{ports.HOST}:{port}" for name, port in at.items()},
    }
    for name, settings in (("core-site.xml", core), ("hdfs-site.xml", hdfs)):
        lines = (
            f"<property><name>{key}</name><value>{escape(value)}</value></property>"
            for key, value in settings.items()
        )
        (conf / name).write_text(f"<configuration>{''.join(lines)}</configuration>")


def _ports(count: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < count:
        chosen.append(ports.free_port(frozenset(chosen)))
    return chosen
