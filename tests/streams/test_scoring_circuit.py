"""When a server is left alone."""

from streams.scoring.circuit import FAILURES_TO_OPEN, FAIR_DEADLINE_MS, PROBE_EVERY_S, Circuit


def opened(deadline_ms: float | None = None) -> Circuit:
    """By running out of `deadline_ms`, or by refusals, at second 0."""
    circuit = Circuit()
    for _ in range(FAILURES_TO_OPEN):
        assert circuit.lets_through(0.0, 100)
        if deadline_ms is None:
            circuit.refused(0.0)
        else:
            circuit.ran_out(0.0, deadline_ms)
    return circuit


def test_it_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit()
    for _ in range(10):
        for _ in range(FAILURES_TO_OPEN - 1):
            circuit.refused(0.0)
        circuit.succeeded()
    assert not circuit.open
    assert opened().open


def test_one_probe_a_second_goes_through_and_a_success_closes_it() -> None:
    circuit = opened()
    assert not circuit.lets_through(0.0, 100)
    assert not circuit.lets_through(PROBE_EVERY_S / 2, 100)
    assert circuit.lets_through(PROBE_EVERY_S, 100)
    assert not circuit.lets_through(PROBE_EVERY_S, 100)
    circuit.refused(PROBE_EVERY_S)
    assert not circuit.lets_through(1.9 * PROBE_EVERY_S, 100)
    assert circuit.lets_through(2 * PROBE_EVERY_S, 100)
    circuit.succeeded()
    assert all(circuit.lets_through(2 * PROBE_EVERY_S, 100) for _ in range(3))


def test_who_can_wait_longer_may_still_ask_a_slow_server() -> None:
    circuit = opened(deadline_ms=250)
    assert not circuit.lets_through(0.5, 250)
    assert circuit.lets_through(0.5, 5000)
    circuit.ran_out(0.5, 5000)
    assert not circuit.lets_through(0.5, 5000)


def test_waiting_longer_does_not_help_where_nobody_is() -> None:
    assert not opened().lets_through(0.5, 60_000)


def test_a_deadline_too_short_to_be_met_blames_nobody() -> None:
    circuit = Circuit()
    for _ in range(10 * FAILURES_TO_OPEN):
        circuit.ran_out(0.0, FAIR_DEADLINE_MS - 1)
    assert not circuit.open


def test_an_answer_is_expected_until_one_fails_and_by_who_waits_much_longer() -> None:
    circuit = Circuit()
    assert circuit.expects(1)
    circuit.ran_out(0.0, 250)
    assert not circuit.expects(250)
    assert circuit.expects(1000)
    circuit.succeeded()
    assert circuit.expects(1)
    circuit.refused(0.0)
    assert not circuit.expects(60_000)


def test_between_two_probes_everybody_is_shut_out() -> None:
    circuit = opened()
    assert circuit.shuts_out(PROBE_EVERY_S / 2)
    assert not circuit.shuts_out(PROBE_EVERY_S)
    assert circuit.lets_through(PROBE_EVERY_S, 100)
    assert circuit.shuts_out(PROBE_EVERY_S)
