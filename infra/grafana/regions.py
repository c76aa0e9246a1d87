"""The dashboard 'Regions': could this region take an origin over now, and if not, why not.

From top to bottom: the answer, what speaks against it, who is heard by whom, whether both regions
hold the same, and what a standby scores to stay warm. The numbers are `tidemill region status`',
told all the while by the watcher, and the probers'; one region's Prometheus tells what that region
knows.
"""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra import standby_metrics
from infra.grafana.expressions import WINDOW, largest, name, oldest, rate, total
from infra.grafana.panels import lines, number, page, stacked
from infra.probing import metrics as probing
from streams import metrics

_TWICE = 'found="differing_twice"'


def regions() -> Dashboard:
    return page("Regions", _now, _against, _probers, _parity, _sample)


def _now(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Could this region take over"))
        .with_panel(
            number(
                "Origins it is ready for",
                "Those that it could take over, or go on to own.",
                total(standby_metrics.READY),
                units.Short,
            )
        )
        .with_panel(
            number(
                "Reasons against it",
                "Over all origins; which they are stands below, `tidemill region status` has them"
                " in words.",
                f"{total(standby_metrics.AGAINST)} or vector(0)",
                units.Short,
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Users that differ twice",
                "Of two regions, and not by a record that one has yet to fold. A join mends it:"
                " `tidemill region join --from PEER`.",
                f"{total(standby_metrics.COMPARED_USERS, where=_TWICE)} or vector(0)",
                units.Short,
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Longest silence of a peer",
                "Since the newest heartbeat that a mirror brought. The peer, the link or one of the"
                " MirrorMakers.",
                f"({oldest(standby_metrics.HEARD_TIME)}) or vector(0)",
                units.Seconds,
                bad_from=10,
            )
        )
        .with_panel(
            number(
                "Origins published for",
                "By this region.",
                f"count({name(metrics.OWNED_EPOCH)} > 0) or vector(0)",
                units.Short,
            )
        )
        .with_panel(
            number(
                "Age of these numbers",
                "Since the watcher last found out. Growing: it does not run, or Kafka does not"
                " answer.",
                oldest(standby_metrics.LOOKED_TIME),
                units.Seconds,
                bad_from=60,
            )
        )
    )


def _against(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("What speaks against it"))
        .with_panel(
            lines(
                "Ready",
                "1 where the region could take the origin over.",
                units.Short,
                {"{{origin}}": largest(standby_metrics.READY, "origin")},
            )
        )
        .with_panel(
            stacked(
                "Reasons",
                "`mirror`: no heartbeat. `behind`: not folded. `users`: they differ for good."
                " `model`: another version than the owner's. `triton`: it does not answer."
                " `workers`: partitions without one. `ownership`: no record.",
                units.Short,
                {
                    "{{origin}} {{about}}": (
                        f"{total(standby_metrics.AGAINST, 'origin', 'about')} or vector(0)"
                    )
                },
            )
        )
        .with_panel(
            lines(
                "Behind the mirror's end",
                "Records that are here and not folded, the most of a partition.",
                units.Short,
                {"{{origin}}": largest(standby_metrics.BEHIND, "origin")},
            )
        )
        .with_panel(
            lines(
                "Silence of a peer",
                "Since the newest heartbeat that the mirror brought; MirrorMaker writes one a"
                " second.",
                units.Seconds,
                {"{{origin}}": oldest(standby_metrics.HEARD_TIME, "origin")},
            )
        )
        .with_panel(
            lines(
                "Epoch",
                "At which this region publishes for an origin; 0 where another does. A step is a"
                " promotion.",
                units.Short,
                {"{{origin}}": largest(metrics.OWNED_EPOCH, "origin")},
            )
        )
    )


def _probers(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Who hears whom"))
        .with_panel(
            lines(
                "Lost regions",
                "1 where a prober has lost a region, the one outside only together with the"
                " region's peers. Promotion is a person's decision, unless that one runs with"
                " --automatic.",
                units.Short,
                {"{{region}}": largest(probing.LOST, "region")},
            )
        )
        .with_panel(
            lines(
                "Silence, by observer and way",
                "Since a prober heard a region: its `kafka` answered, or a heartbeat came by the"
                " `mirror`. One way alone is a cut link or a mirror that stands still.",
                units.Seconds,
                {
                    "{{region}} from {{observer}} by {{way}}": oldest(
                        probing.HEARD_TIME, "region", "observer", "way"
                    )
                },
            )
        )
        .with_panel(
            lines(
                "Events as the probers see them",
                "By the ends of the region's partitions: what a promotion is told of the tail.",
                units.EventsPerSecond,
                {"{{region}}": f"sum by (region) (rate({name(probing.END)}[{WINDOW}]))"},
            )
        )
    )


def _parity(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Do both regions hold the same users"))
        .with_panel(
            lines(
                "Users compared",
                "As each slice was last compared with the peer's list. `differing` once may be a"
                " record of this millisecond, twice is not.",
                units.Short,
                {"{{origin}} {{found}}": total(standby_metrics.COMPARED_USERS, "origin", "found")},
                columns=2,
            )
        )
        .with_panel(
            lines(
                "Users that differ twice",
                "Whom one region lacks are among them.",
                units.Short,
                {"{{origin}}": total(standby_metrics.COMPARED_USERS, "origin", where=_TWICE)},
                columns=2,
            )
        )
    )


def _sample(board: dashboard.Dashboard) -> dashboard.Dashboard:
    scored = total(standby_metrics.SAMPLED, where='outcome="scored"')
    return (
        board.with_row(dashboard.Row("What a standby scores to stay warm"))
        .with_panel(
            stacked(
                "Sampled slates",
                "Made for the comparison and published nowhere, by their fallback; `none`: the"
                " model's. TIDEMILL_SAMPLE_SHARE says of how many users.",
                units.EventsPerSecond,
                {"{{fallback}}": rate(metrics.SAMPLED_SLATES, "fallback")},
                columns=2,
            )
        )
        .with_panel(
            lines(
                "Sample that Triton scored",
                "Of the newest lists, as a share of those that needed a model. 0: a promotion would"
                " meet a cold or dead Triton.",
                units.PercentUnit,
                {"scored": f"{scored} / {total(standby_metrics.SAMPLED)}"},
                columns=2,
            )
        )
    )
