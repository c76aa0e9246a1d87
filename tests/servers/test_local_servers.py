"""The real servers as `infra.local` runs them: they answer, restart with their data, and go."""

import json
import os
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import tritonclient.grpc as triton_grpc
from clickhouse_driver import Client
from confluent_kafka import Consumer, Producer

from infra.local import jvm, servers
from infra.local.install import java, truststore
from infra.local.problems import PortTakenError
from infra.local.settings import LocalSettings
from infra.local.supervisor import records
from tests.servers.conftest import (
    RunningClickHouse,
    RunningKafka,
    RunningPrometheus,
    RunningTriton,
)

# Answers with its input; the smallest thing that proves Triton, backend and Python fit together.
_ECHO = """
import triton_python_backend_utils as backend

class TritonPythonModel:
    def execute(self, requests):
        return [
            backend.InferenceResponse([
                backend.Tensor("OUT", backend.get_input_tensor_by_name(request, "IN").as_numpy())
            ])
            for request in requests
        ]
"""
_ECHO_CONFIG = """
name: "local_echo"
backend: "python"
max_batch_size: 8
input [{ name: "IN" data_type: TYPE_INT64 dims: [3] }]
output [{ name: "OUT" data_type: TYPE_INT64 dims: [3] }]
"""


def _until(condition: Callable[[], bool]) -> None:
    """The test's own time limit ends a condition that never comes."""
    waiting = threading.Event()
    while not condition():
        waiting.wait(0.1)


def test_kafka_keeps_acknowledged_records_over_restart_and_kill(fresh_kafka: RunningKafka) -> None:
    producer = Producer({"bootstrap.servers": fresh_kafka.bootstrap})
    producer.produce("user-events", key="u1", value=b"first", partition=0)
    assert producer.flush(60) == 0
    fresh_kafka.stop()
    fresh_kafka.start()
    producer.produce("user-events", key="u1", value=b"second", partition=0)
    assert producer.flush(60) == 0
    fresh_kafka.kill()
    fresh_kafka.start()
    assert _read(fresh_kafka.bootstrap, "user-events", 2) == [b"first", b"second"]


def test_a_broker_has_its_classes_from_the_archive(fresh_kafka: RunningKafka, tools: Path) -> None:
    mapped = {area.path for area in fresh_kafka.process.memory_maps()}
    assert str(jvm.in_folder(jvm.archives(tools))["broker"]) in mapped


def test_kcat_as_a_person_calls_it(fresh_kafka: RunningKafka, tools: Path) -> None:
    kcat = [str(tools / "bin/kcat"), "-q", "-b", fresh_kafka.bootstrap, "-t", "user-events"]
    subprocess.run([*kcat, "-P", "-k", "u1"], input=b'{"by":"hand"}', check=True, timeout=60)
    assert _read(fresh_kafka.bootstrap, "user-events", 1) == [b'{"by":"hand"}']


def test_triton_computes_right_results_and_survives_being_paused(triton: RunningTriton) -> None:
    numpy = pytest.importorskip("numpy")
    version = triton.repository / "local_echo/1"
    version.mkdir(parents=True, exist_ok=True)
    (version / "model.py").write_text(_ECHO)
    (version.parent / "config.pbtxt").write_text(_ECHO_CONFIG)
    sent = numpy.arange(12, dtype=numpy.int64).reshape(4, 3)
    tensor = triton_grpc.InferInput("IN", sent.shape, "INT64")
    tensor.set_data_from_numpy(sent)
    with closing(triton_grpc.InferenceServerClient(triton.grpc_url)) as client:
        client.load_model("local_echo")
        answer = client.infer("local_echo", [tensor], client_timeout=60)
        assert answer.as_numpy("OUT").tolist() == sent.tolist()
        triton.pause()
        with pytest.raises(triton_grpc.InferenceServerException, match="Deadline"):
            client.infer("local_echo", [tensor], client_timeout=0.3)
        triton.resume()
        answer = client.infer("local_echo", [tensor], client_timeout=60)
        assert answer.as_numpy("OUT").tolist() == sent.tolist()
        client.unload_model("local_echo")


def test_triton_restarts_after_a_kill_and_leaves_no_shared_memory(triton: RunningTriton) -> None:
    triton.kill()
    triton.start()
    with closing(triton_grpc.InferenceServerClient(triton.grpc_url)) as client:
        assert client.is_server_ready()
        assert client.get_model_repository_index().models is not None


def test_clickhouse_keeps_rows_over_a_restart(clickhouse: RunningClickHouse) -> None:
    with _clickhouse(clickhouse) as client:
        client.execute("DROP TABLE IF EXISTS kept")
        client.execute("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.execute("INSERT INTO kept VALUES", [(number,) for number in range(1000)])
    clickhouse.stop()
    clickhouse.start()
    with _clickhouse(clickhouse) as client:
        assert client.execute("SELECT count(), sum(n), timezone() FROM kept") == [
            (1000, 499500, "Etc/UTC")
        ]
        client.execute("DROP TABLE kept")


def test_prometheus_scrapes_what_it_is_told(
    prometheus: RunningPrometheus, triton: RunningTriton
) -> None:
    prometheus.scrape(triton.metrics_url.split("/")[2])
    query = f"{prometheus.url}/api/v1/query?query=nv_cpu_memory_total_bytes"

    def scraped() -> bool:
        with urllib.request.urlopen(query, timeout=10) as answer:
            return bool(json.load(answer)["data"]["result"])

    _until(scraped)
    prometheus.scrape()


@pytest.fixture
def settings(tools: Path, tmp_path: Path) -> Iterator[LocalSettings]:
    """A home of its own, all ports free ones."""
    free = {name: 0 for name in LocalSettings.model_fields if name.endswith("_port")}
    chosen = LocalSettings(home=tmp_path / "home", tools=tools, **free)
    yield chosen
    servers.down(chosen)


def test_up_twice_status_down(settings: LocalSettings) -> None:
    said: list[str] = []
    endpoints = servers.up(settings, report=said.append)
    assert servers.endpoints(settings) == endpoints
    before = servers.status(settings)
    assert [status.state.name for status in before] == [
        "kafka", "triton", "clickhouse", "prometheus",
    ]  # fmt: skip
    assert {line.split(":")[0] for line in said} == {status.state.name for status in before}
    assert [status.ready for status in before] == [True] * 4

    # One that died is started again, the others are left alone; ports stay.
    died = next(status for status in before if status.state.name == "prometheus")
    os.kill(died.state.pid, 9)
    _until(lambda: not servers.status(settings)[-1].state.running)
    assert servers.status(settings)[-1].ready is False
    assert servers.up(settings) == endpoints
    after = {status.state.name: status.state.pid for status in servers.status(settings)}
    assert {
        status.state.name for status in before if after[status.state.name] != status.state.pid
    } == {"prometheus"}

    assert set(servers.down(settings)) == {"kafka", "triton", "clickhouse", "prometheus"}
    assert servers.down(settings) == ()
    assert servers.status(settings) == ()
    assert servers.endpoints(settings) is None
    assert list(records.marked(settings.place.run)) == []


def test_up_starts_as_many_tritons_as_are_wanted_and_stops_the_others(
    settings: LocalSettings,
) -> None:
    def tritons() -> dict[str, int]:
        found = [one for one in servers.status(settings) if one.state.name.startswith("triton")]
        assert all(one.ready for one in found)
        return {one.state.name: one.state.pid for one in found}

    two = settings.model_copy(update={"triton_replicas": 2})
    endpoints = servers.up(two)
    assert len(set(endpoints.tritons)) == len(set(endpoints.tritons_metrics)) == 2
    assert endpoints.environment()["TIDEMILL_TRITON"] == ",".join(endpoints.tritons)
    targets = json.loads(settings.place.scrape_targets.read_text())
    assert [group["labels"]["process"] for group in targets] == ["triton", "triton-2"]
    before = tritons()
    assert before.keys() == {"triton", "triton-2"}
    assert servers.up(two) == endpoints
    assert tritons() == before, "both are left alone"
    one = servers.up(settings)
    assert one.tritons == endpoints.tritons[:1]
    assert tritons() == {"triton": before["triton"]}


def test_up_fresh_forgets_the_data(settings: LocalSettings) -> None:
    servers.up(settings)
    kept = settings.place.data / "kafka/meta.properties"
    before = kept.read_text()
    servers.down(settings)
    servers.up(settings, fresh=True)
    assert kept.read_text() != before


def test_a_taken_port_stops_what_up_had_started(
    settings: LocalSettings, prometheus: RunningPrometheus
) -> None:
    port = int(prometheus.url.rsplit(":", 1)[1])
    taken = settings.model_copy(update={"prometheus_port": port})
    with pytest.raises(PortTakenError, match=r"taken by prometheus \(pid \d+\).*PROMETHEUS_PORT"):
        servers.up(taken)
    assert list(records.marked(settings.place.run)) == []
    assert servers.endpoints(taken) is None


def test_java_reads_the_certificates_written_for_it(tools: Path, tmp_path: Path) -> None:
    keytool = java.require(tools).resolve().with_name("keytool")
    store = truststore.write(tmp_path / "store.jks")
    answer = subprocess.run(
        [str(keytool), "-list", "-keystore", str(store), "-storepass", truststore.PASSWORD],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    entries = re.search(r"contains (\d+) entries", answer.stdout)
    assert entries is not None
    assert int(entries[1]) == answer.stdout.count("trustedCertEntry") > 0


def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reading", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    while len(values) < count:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            values.append(message.value())
    consumer.close()
    return values


def _clickhouse(clickhouse: RunningClickHouse) -> Client:
    return Client(clickhouse.host, clickhouse.port, database=clickhouse.database)
