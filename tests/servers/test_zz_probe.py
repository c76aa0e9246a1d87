import threading, time
from concurrent.futures import ThreadPoolExecutor
from confluent_kafka import Consumer, TopicPartition
from streams.lane import clients
from streams.settings import Settings


def test_probe(fresh_kafka):
    s = Settings(kafka=fresh_kafka.bootstrap)
    import itertools

    for pause in (True, False):
        c = clients.member(s, f"probe-{pause}", print)
        got = []

        def on_assign(consumer, parts):
            parts = [TopicPartition(p.topic, p.partition, 0) for p in parts]
            consumer.incremental_assign(parts)
            if pause:
                consumer.pause(parts)
            got.append(parts)

        c.subscribe(["user-events", "experiments"], on_assign=on_assign)
        stop = threading.Event()

        def loop():
            while not stop.is_set():
                c.poll(0.2)

        t = threading.Thread(target=loop)
        t.start()
        while not got:
            time.sleep(0.05)
        for wait in (0, 3):
            time.sleep(wait)
            t0 = time.monotonic()
            try:
                r = c.committed(got[0][:1], timeout=10)
            except Exception as e:
                r = e
            print(
                "pause",
                pause,
                "after",
                wait,
                "took",
                round(time.monotonic() - t0, 2),
                r,
                flush=True,
            )
        stop.set()
        t.join()
        c.close()
