"""The alarms as a rules file of Prometheus: what a person must look at, and what to do about it.

Pure; names come from where the metrics are declared. Called by whoever starts Prometheus. An alarm
says which origin it is about, and waits as long as what it tells may be true and pass by itself.
"""

import json

from infra import standby_metrics
from infra.grafana.expressions import largest, name, oldest, total
from infra.probing import metrics as probing

Rule = dict[str, object]

_STANDBY = "regions"


def render() -> str:
    """All groups; JSON, which is YAML too."""
    return json.dumps({"groups": [{"name": _STANDBY, "rules": _regions()}]}, indent=2) + "\n"


def _regions() -> list[Rule]:
    twice = total(standby_metrics.COMPARED_USERS, "origin", where='found="differing_twice"')
    return [
        _rule(
            "StandbyNotReady",
            f"{name(standby_metrics.READY)} == 0",
            "5m",
            "The region could not take over {{ $labels.origin }};"
            " `tidemill region status` says why.",
        ),
        _rule(
            "UsersDiffer",
            f"{twice} > 0",
            "0m",
            "{{ $value }} users differ for good from those of {{ $labels.origin }}:"
            " `tidemill region join --from` mends it; no failback before.",
        ),
        _rule(
            "MirrorSilent",
            f"{oldest(standby_metrics.HEARD_TIME, 'origin')} > 30",
            "1m",
            "Nothing was heard of {{ $labels.origin }} for {{ $value | humanizeDuration }}:"
            " the peer, the link, or one of the two MirrorMakers. What is not mirrored is lost for"
            " now if it dies.",
        ),
        _rule(
            "StandbyUnwatched",
            f"{oldest(standby_metrics.LOOKED_TIME)} > 120",
            "1m",
            "For {{ $value | humanizeDuration }} nobody has found out whether this region could"
            " take over: Kafka does not answer the watcher (infra/watch_standby.py).",
        ),
        _rule(
            "RegionLost",
            f"{largest(probing.LOST, 'region')} > 0",
            "0m",
            "{{ $labels.region }} is lost to the probers that tell this Prometheus: its Kafka does"
            " not answer, no heartbeat comes. If it is gone, `tidemill region promote` it; if only"
            " a link is cut, the prober outside (`tidemill region watch --from outside`) hears it.",
        ),
        _rule(
            "PromotionRefused",
            f'increase({name(probing.PROMOTIONS)}{{outcome="refused"}}[2m]) > 0',
            "0m",
            "{{ $labels.region }} is lost and no other region may take over by itself: the log of"
            " the prober outside says why. A person can, with --force.",
        ),
        _rule(
            "RegionUnwatched",
            f"{oldest(probing.LOOKED_TIME, 'region')} > 60",
            "1m",
            "For {{ $value | humanizeDuration }} a prober has not looked at"
            " {{ $labels.region }}: it does not run, or the Kafka of its own region does not"
            " answer it. --automatic promotes nobody meanwhile.",
        ),
    ]


def _rule(alert: str, expression: str, lasts: str, summary: str) -> Rule:
    return {
        "alert": alert,
        "expr": expression,
        "for": lasts,
        "annotations": {"summary": summary},
    }
