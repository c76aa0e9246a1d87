"""`python -m infra.grafana.build` writes the dashboards' JSON, which is committed.

A test fails when a file is not what this writes. Grafana loads the folder by
provisioning/dashboards/tidemill.yaml.
"""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from infra.grafana.engine import engine
from infra.grafana.regions import regions
from infra.grafana.service import service

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """Every dashboard's path and text; the same code gives the same bytes."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    pages = {"engine": engine(), "regions": regions(), "service": service()}
    return {FOLDER / f"{name}.json": encoder.encode(page) + "\n" for name, page in pages.items()}


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path)  # noqa: T201 what a command says


if __name__ == "__main__":
    main()
