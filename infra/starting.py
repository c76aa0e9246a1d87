"""One region on this machine, from nothing to answering: servers, topics, tables, model, workers.

Every step is safe to repeat and does only what is missing, so an interrupted call is finished by
the next. If a step fails or the person presses Ctrl-C, what this call started is stopped again and
what ran before is left alone. Called by `tidemill up` and the demo; its two halves by
`infra.starting_regions`, which has mirrors to start between them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inference.errors import InferenceError
from infra import control, topics, triton_models, workers
from infra.clickhouse.migrate import migrate
from infra.local import servers, supervisor
from infra.local.endpoints import Endpoints
from infra.local.home import Home
from infra.local.ports import HOST
from infra.local.settings import LocalSettings
from infra.local.supervisor.stopping import uninterrupted
from infra.regions import must_not_run
from infra.supervise import NAME, asking, wanted
from infra.supervise.wanted import Wanted
from schemas.serving import MODEL
from streams.settings import Settings

Report = Callable[[str], None]


@dataclass(frozen=True)
class Up:
    """What runs. `model_problem` says why the released model is not served; the fallback answers
    then.
    """

    endpoints: Endpoints
    settings: Settings
    metrics: dict[str, str]
    served: str | None
    model_problem: str | None


def bring_up(
    local: LocalSettings,
    given: Settings,
    *,
    recommend_workers: int | None = None,
    fresh: bool = False,
    report: Report,
) -> Up:
    """`recommend_workers`: None keeps as many as there were, or starts one. Raises LocalError,
    TopicsError, MigrationError, BrokerError, RefusedError.
    """
    must_not_run(local, several=False)
    with nothing_left_behind(local):
        found, settings = begin(local, given, fresh=fresh, report=report)
        return finish(local, settings, found, recommend_workers, report)


def begin(
    local: LocalSettings, given: Settings, *, fresh: bool, report: Report
) -> tuple[Endpoints, Settings]:
    """Servers, topics and tables, and the settings of whoever uses them."""
    found = servers.up(local, fresh=fresh, report=report)
    settings = with_endpoints(given, found)
    _topics(settings, report)
    for name, address in zip(found.all_clickhouses, settings.clickhouse, strict=True):
        applied = migrate(
            address,
            settings.clickhouse_user,
            settings.clickhouse_password.get_secret_value(),
            settings.clickhouse_database,
        )
        if applied:
            report(f"{name}: {', '.join(applied)} applied")
    return found, settings


def finish(
    local: LocalSettings,
    settings: Settings,
    found: Endpoints,
    recommend_workers: int | None,
    report: Report,
    *,
    is_owned: bool = False,
) -> Up:
    """An owner, the model and the workers. `is_owned`: the region's own events have an owner that
    this cluster need not know yet.
    """
    if not is_owned and (record := control.own_first(settings)) is not None:
        report(f"region {record.origin} owns itself at epoch {record.epoch}")
    served, problem = _bring_model_back(local, settings, report)
    _workers(local, settings, found, recommend_workers, report)
    metrics = {
        name: f"http://{HOST}:{port}/metrics"
        for name, port in workers.metrics_ports(local.place).items()
    }
    return Up(found, settings, metrics, served, problem)


def with_endpoints(given: Settings, found: Endpoints) -> Settings:
    """The settings of a process that uses the local servers."""
    return given.model_copy(
        update={
            "kafka": found.kafka,
            "triton": found.tritons,
            "clickhouse": found.clickhouses,
            "clickhouse_database": found.clickhouse_database,
        }
    )


@contextmanager
def nothing_left_behind(local: LocalSettings) -> Iterator[None]:
    """If what is done within fails, what it started here is stopped again."""
    home = local.place
    before = _running(home)
    former = wanted.read(home)
    try:
        yield
    except BaseException:
        if not before:
            servers.down(local)
        else:
            with uninterrupted():
                _go_back(home, before, former)
        raise


def _go_back(home: Home, before: dict[str, int], former: Wanted | None) -> None:
    now = _running(home)
    kept = {state.name for state in supervisor.states(home.run) if state.keeper}
    if NAME in before and before[NAME] == now.get(NAME):
        asking.take_back(home, former)
        now = {name: pid for name, pid in now.items() if name not in kept}
    elif former is not None:
        wanted.write(home, former)  # the next `up` knows how many there were
    supervisor.stop(home.run, [name for name, pid in now.items() if before.get(name) != pid])


def _running(home: Home) -> dict[str, int]:
    return {state.name: state.pid for state in supervisor.states(home.run) if state.running}


def _topics(settings: Settings, report: Report) -> None:
    where = settings.kafka, settings.partitions, settings.region, settings.peers
    created = topics.create(*where)
    if created:
        report(f"kafka: {len(created)} topics created")
    for difference in topics.check(*where):
        if difference.what == "partitions":
            raise topics.TopicsError(
                f"{difference}; TIDEMILL_PARTITIONS must say what the topics have"
            )


def _bring_model_back(
    local: LocalSettings, settings: Settings, report: Report
) -> tuple[str | None, str | None]:
    """The version that is served now, and why it is not."""
    served = control.releases(settings).served(MODEL, settings.region)
    if served is None:
        return None, None
    wanted = {served.version, *([served.canary.version] if served.canary else [])}
    if all(wanted <= {*triton_models.loaded(url, MODEL).versions} for url in settings.triton):
        report(f"triton: serves {MODEL} {served.version} already")
        return served.version, None
    # Torch comes with it, which is slow to import.
    from infra import releases  # noqa: PLC0415

    try:
        releases.bring_back(settings, local.place, MODEL, served)
    except InferenceError as error:
        return None, f"{MODEL} {served.version} is not served: {error}"
    report(f"triton: {MODEL} {served.version} loaded, its golden outputs are right")
    return served.version, None


def _region(settings: Settings) -> dict[str, str]:
    """What tells a worker which region it is in; where there are several, the environment of the
    command cannot.
    """
    return {
        "TIDEMILL_REGION": settings.region,
        "TIDEMILL_REGION_NUMBER": str(settings.region_number),
        "TIDEMILL_PEERS": ",".join(settings.peers),
    }


def _workers(
    local: LocalSettings,
    settings: Settings,
    found: Endpoints,
    recommend_workers: int | None,
    report: Report,
) -> None:
    home = local.place
    known = servers.endpoints(local)
    stages = workers.names(
        recommend_workers or workers.recommend_count(home) or 1, len(settings.clickhouse)
    )
    asking.keep(
        home,
        workers.described(
            local,
            stages,
            found.environment() | _region(settings),
            peers=known.peers if known is not None and settings.peers else None,
        ),
        log_limit_bytes=local.log_limit_bytes,
        ready_timeout_s=local.ready_timeout_s,
        report=report,
    )
    workers.wait_until_assigned(settings, local.ready_timeout_s)
    servers.scrape(local, workers.metrics_ports(home))
