"""Ports of this machine: a free one, whether one is taken, and by whom.

Called by the supervisor before it starts a server and by `servers` to resolve a port of 0.
"""

import random
import socket
from contextlib import closing

import psutil

HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections: there, a client that reconnects while its
# server is down can be given the server's own port, and the server finds it taken.
_FREE_RANGE = (10_000, 32_000)
_CHANCE = random.SystemRandom()
"""Not `random` itself: tests seed that, and two processes of tests would choose the same ports."""


def is_free(port: int) -> bool:
    """Whether a server could listen there now (connections that linger do not count)."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def is_open(port: int, host: str = HOST) -> bool:
    """Whether somebody takes connections there. By connecting: to bind could get in a server's way
    that is just about to.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """A port that nobody listens on and that is not in `avoid`."""
    for _ in range(1000):
        port = _CHANCE.randint(*_FREE_RANGE)
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_FREE_RANGE[0]} and {_FREE_RANGE[1]}")


def holder(port: int) -> str:
    """Who listens on a port: 'java (pid 4852)', or why that cannot be said."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or connection.laddr[1:] != (port,):
            continue
        if connection.pid is None:
            break
        try:
            name = psutil.Process(connection.pid).name()
        except psutil.Error:
            name = "a process"
        return f"{name} (pid {connection.pid})"
    return "a process of another user"
