"""Small real processes for the supervisor's tests, described as servers."""

import socket
import sys
from contextlib import closing
from pathlib import Path

from infra.local import ports
from infra.local.home import Home
from infra.local.supervisor import Server

# Answers b"ready" to everybody; with `silent` it accepts connections and says nothing.
_ANSWERING = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
kept = []
while True:
    connection, _ = server.accept()
    kept.append(connection)
    if "silent" not in sys.argv:
        connection.sendall(b"ready")
        connection.close()
"""
# Ignores SIGTERM, and so does its child.
_STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(15, signal.SIG_IGN); print('child', flush=True)"
subprocess.Popen([sys.executable, "-c", child + "; time.sleep(600)"])
time.sleep(600)
"""


def home(folder: Path) -> Home:
    return Home(folder / "home", folder / "tools")


def answering(name: str = "answering", port: int = 0, **changes: object) -> Server:
    port = port or ports.free_port()
    return _server(name, _ANSWERING, (str(port),), {"TIDEMILL_TEST_PORT": port}, port, changes)


def silent(name: str = "silent", **changes: object) -> Server:
    port = ports.free_port()
    arguments = (str(port), "silent")
    return _server(name, _ANSWERING, arguments, {"TIDEMILL_TEST_PORT": port}, port, changes)


def failing(name: str = "failing") -> Server:
    code = "import sys; sys.exit('the disk is on fire')"
    return Server(name=name, command=(sys.executable, "-c", code), ready=lambda: False)


def stubborn(name: str = "stubborn", stop_timeout_s: float = 0.2) -> Server:
    return Server(
        name=name,
        command=(sys.executable, "-c", _STUBBORN),
        ready=lambda: True,
        stop_timeout_s=stop_timeout_s,
    )


def says_ready(port: int) -> bool:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=0.3)) as connection:
        return connection.recv(16) == b"ready"


def _server(name, code, arguments, named_ports, port, changes) -> Server:
    description = {
        "name": name,
        "command": (sys.executable, "-c", code, *arguments),
        "ready": lambda: says_ready(port),
        "ports": named_ports,
        "stop_timeout_s": 10.0,
    }
    return Server(**(description | changes))
