"""Which version of the model each slate names, and whether its region ever served that one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

import msgspec

from schemas.control import ModelRelease
from schemas.recommendations import Recommendation
from schemas.topics import MODEL_RELEASES, RECOMMENDATIONS
from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs

Versions = Mapping[str, set[str]]
"""Region -> all that it ever served, to all or as a canary, whether for long or not."""


def served(bootstraps: Iterable[str]) -> Versions:
    """By what is written in these clusters."""
    found: dict[str, set[str]] = defaultdict(set)
    for bootstrap in bootstraps:
        with closing(Logs(bootstrap)) as logs:
            for message in logs.records(MODEL_RELEASES.name, 0):
                record = msgspec.json.decode(message.value(), type=ModelRelease)
                for region, one in record.served.items():
                    found[region].add(one.version)
                    found[region].update([one.canary.version] if one.canary is not None else [])
    return found


def slates(bootstrap: str, partitions: int) -> Iterator[Recommendation]:
    """All that a region made itself."""
    with closing(Logs(bootstrap)) as logs:
        for number in range(partitions):
            for message in logs.records(RECOMMENDATIONS.name, number):
                yield msgspec.json.decode(message.value(), type=Recommendation)


def check_versions(
    region: str, made: Iterable[Recommendation], versions: Versions, findings: Findings
) -> dict[str, int]:
    """Of a region's own slates: how many name which version, and how many are a fallback."""
    names: Counter[str] = Counter()
    for one in made:
        if one.model is None:
            names[f"fallback: {one.fallback}"] += 1
            if one.fallback is None:
                findings.add("slates that name no version", one.recommendation_id)
            continue
        findings.looked("slates with a version")
        names[f"version {one.model.version}"] += 1
        if one.model.version not in versions.get(region, ()):
            told = f"{one.model.version} by {region}: {one.recommendation_id}"
            findings.add("slates of a version that was never served", told)
    return dict(sorted(names.items()))
