"""When a server is left alone."""

from streams.scoring.circuit import (
    FAILURES_TO_OPEN,
    FAIR_DEADLINE_MS,
    PROBATION_ANSWERS,
    PROBATION_EVERY_S,
    PROBE_EVERY_S,
    SLOW_TO_OPEN,
    Circuit,
)


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


def test_slow_answers_in_a_row_open_it_and_a_prompt_one_between_does_not() -> None:
    circuit = Circuit()
    for _ in range(3):
        for _ in range(SLOW_TO_OPEN - 1):
            circuit.was_slow(0.0)
        assert not circuit.open
        assert not circuit.is_prompt
        circuit.succeeded()
        assert circuit.is_prompt
    for _ in range(SLOW_TO_OPEN):
        circuit.was_slow(0.0)
    assert circuit.open


def test_behind_probation_it_is_back_and_one_slow_probe_begins_it_anew() -> None:
    circuit, now_s = opened(), PROBE_EVERY_S
    for proofs in (PROBATION_ANSWERS - 1, PROBATION_ANSWERS):
        for _ in range(proofs):
            assert circuit.open
            assert circuit.is_due_a_probe(now_s)
            assert not circuit.is_due_a_probe(now_s)
            circuit.proved(now_s)
            now_s += PROBATION_EVERY_S
        if proofs < PROBATION_ANSWERS:
            assert circuit.is_due_a_probe(now_s)
            circuit.was_slow(now_s)
            assert not circuit.is_due_a_probe(now_s + PROBATION_EVERY_S)
            now_s += PROBE_EVERY_S
    assert not circuit.open
    assert circuit.is_prompt
