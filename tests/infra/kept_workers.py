"""Small real programs that stand for workers in the tests of `infra.supervise`.

Each writes what happens to it into a journal, one line an event, so that a test reads the order.
"""

import sys
from pathlib import Path

from infra.local import ports
from infra.supervise.probe import Probe
from infra.supervise.wanted import Worker

# Answers on its port as soon as `gate` exists, drains when it is told to stop. With `ask` it looks,
# while it drains, whether somebody still answers there.
_DRAINING = """
import http.server, os, pathlib, signal, socket, sys, threading
name, port, journal, gate, ask = sys.argv[1:]
def say(what):
    with open(journal, "a") as file:
        file.write(f"{what} {name}\\n")
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if not pathlib.Path(gate).exists():
            self.send_error(503)
            return
        say("ready")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(port)), Answers)
def stop(*_):
    if ask != "0":
        socket.create_connection(("127.0.0.1", int(ask)), timeout=30).close()
    say("drained")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
say("started")
server.serve_forever()
"""
_EXITING = """
import sys
print("2026-01-01 00:00:00,000 CRITICAL tidemill: " + sys.argv[2], flush=True)
sys.exit(int(sys.argv[1]))
"""
_STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
print("started", flush=True)
time.sleep(600)
"""


def draining(name: str, journal: Path, *, gate: Path = Path("/"), ask: int = 0, **env) -> Worker:
    """The port is the same for the same name and journal, as that of a worker is."""
    chosen = journal.with_name(f"{name}.port")
    if not chosen.exists():
        chosen.write_text(str(ports.free_port()))
    port = int(chosen.read_text())
    arguments = (name, str(port), str(journal), str(gate), str(ask))
    return Worker(
        name=name,
        command=(sys.executable, "-c", _DRAINING, *arguments),
        env=env,
        ports={"TIDEMILL_METRICS_PORT": port},
        probe=Probe(f"http://127.0.0.1:{port}/metrics"),
        stop_timeout_s=20.0,
    )


def exiting(name: str, code: int, said: str = "TopicError: nothing is there", **env) -> Worker:
    command = (sys.executable, "-c", _EXITING, str(code), said)
    never = Probe("http://127.0.0.1:1/metrics")
    return Worker(name=name, command=command, env=env, probe=never)


def stubborn(name: str, stop_timeout_s: float) -> Worker:
    command = (sys.executable, "-c", _STUBBORN)
    return Worker(name=name, command=command, env={}, stop_timeout_s=stop_timeout_s)
