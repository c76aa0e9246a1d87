"""Run processes in the background of one machine: start, readiness, status, stop.

Small on purpose: no restarts, no dependencies beyond the order of calls. Called by
`infra.local.servers`, by the tests' fixtures and by `infra.supervise`, which does restart.
"""

from infra.local.supervisor.server import Server
from infra.local.supervisor.starting import Started, is_ready, start
from infra.local.supervisor.state import State, states
from infra.local.supervisor.stopping import stop

__all__ = ["Server", "Started", "State", "is_ready", "start", "states", "stop"]
