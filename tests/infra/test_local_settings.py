"""Settings and ports of the local servers."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.local import kafka, ports
from infra.local.settings import LocalSettings


def test_every_setting_is_described_and_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert all(field.description for field in LocalSettings.model_fields.values())
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "x"))
    monkeypatch.setenv("TIDEMILL_KAFKA_PORT", "19092")
    settings = LocalSettings()
    assert settings.kafka_port == 19092
    assert settings.place.root == tmp_path / "x"
    assert settings.place.tools == tmp_path / "x/tools"
    monkeypatch.setenv("TIDEMILL_TOOLS", str(tmp_path / "shared"))
    assert LocalSettings().place.tools == tmp_path / "shared"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_HOST", "10.0.0.1:9092"),
        ("KAFKA_PORT", "65536"),
        ("KAFKA_PORT", "x"),
        ("PROMETHEUS_RETENTION", "long"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"TIDEMILL_{name}", value)
    with pytest.raises(ValidationError) as caught:
        LocalSettings()
    assert caught.value.errors()[0]["loc"] == (name.lower(),)


def test_a_free_port_is_free_and_out_of_reach_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    port = ports.free_port()
    assert port < lowest
    assert ports.is_free(port)
    with closing(socket.create_server(("127.0.0.1", port))):
        assert not ports.is_free(port)
        assert "(pid " in ports.holder(port)
    with closing(socket.create_server(("", port))):
        assert not ports.is_free(port), "a listener on all addresses holds it too"


def test_the_broker_listens_here_only_and_makes_no_topics_by_itself(tmp_path: Path) -> None:
    text = kafka.properties_text(kafka.Kafka(1234, 1235), tmp_path)
    lines = dict(line.split("=", 1) for line in text.splitlines())
    assert lines["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"
    assert lines["auto.create.topics.enable"] == "false"
    assert lines["log.dirs"] == str(tmp_path)


def test_the_broker_sends_clients_to_where_it_is_told(tmp_path: Path) -> None:
    """The controller is asked by the broker alone, and stays here."""
    broker = kafka.Kafka(1234, 1235, host="10.1.2.3")
    lines = dict(
        line.split("=", 1) for line in kafka.properties_text(broker, tmp_path).splitlines()
    )
    assert broker.bootstrap == "10.1.2.3:1234"
    assert lines["listeners"] == "PLAINTEXT://10.1.2.3:1234,CONTROLLER://127.0.0.1:1235"
    assert lines["controller.quorum.voters"] == "1@127.0.0.1:1235"
