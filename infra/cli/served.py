"""What `promote` and `rollback` say once another version is served."""

from infra.cli.printing import print_json, tell
from schemas.control import ModelRelease


def say_served(record: ModelRelease, region: str, *, json: bool) -> None:
    if json:
        print_json(record)
        return
    tell(
        f"{record.model} {record.served[region].version} is served in {region} "
        f"(revision {record.revision})"
    )
