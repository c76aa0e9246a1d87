"""Whether the owner of an origin lives, as far as it can be known from here.

Its Kafka answers, or its MirrorMaker's heartbeats still come. Heartbeats are counted as they come,
not by their times: the clocks of two regions may be apart. Called by `promote`.
"""

import time
from contextlib import closing

from confluent_kafka import TopicPartition

from infra import broker
from infra.failover.reach import Reach
from infra.standby import SILENT_S
from streams.lane import clients

_LOOK_S = 0.1
_SILENT_BESIDE_S = 3.0
"""Where its Kafka refuses to answer; three heartbeats."""
_HEARD = 3
"""A mirror may still hold one or two of a region that is gone."""


def is_alive(reach: Reach, region: str, *, patient: bool = True) -> bool:
    """`patient`: watch the heartbeats, some seconds; else only ask. Raises KafkaException."""
    if region == reach.region or reach.answers(region):
        return True
    if not patient:
        return False
    known = reach.of(region) is not None
    return _is_heard(reach, region, _SILENT_BESIDE_S if known else SILENT_S)


def _is_heard(reach: Reach, region: str, silent_s: float) -> bool:
    """Whether heartbeats go on coming, before none came for `silent_s`."""
    log = TopicPartition(f"{region}.heartbeats", 0)
    with closing(broker.reader(reach.here)) as consumer:
        if log.topic not in consumer.list_topics(timeout=broker.ANSWER_S).topics:
            return False
        _, end = clients.watermarks(consumer, log)
        heard, last_s = 0, time.monotonic()
        while time.monotonic() - last_s < silent_s:
            time.sleep(_LOOK_S)
            _, now = clients.watermarks(consumer, log)
            if now != end:
                end, last_s, heard = now, time.monotonic(), heard + 1
            if heard == _HEARD:
                return True
    return False
