"""Dependencies point one way: schemas knows nobody; streams and inference know schemas; infra
knows all three. A stream worker starts without torch, and a model without Kafka.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "streams": {"streams", "schemas"},
    "inference": {"inference", "schemas"},
    "infra": {"infra", "streams", "inference", "schemas"},
}
FOREIGN_TO = {
    "schemas": {"confluent_kafka", "faust", "torch", "numpy", "tritonclient"},
    "streams": {"torch", "pytriton"},
    "inference": {"confluent_kafka", "faust", "mode"},
    "infra": set(),
}


def imported(path: Path) -> Iterator[str]:
    """The packages that a file names in its imports, wherever in it they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    forbidden = (set(MAY_IMPORT) | {"tests"}) - MAY_IMPORT[package] | FOREIGN_TO[package]
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imported(path)
        if name in forbidden
    }
    assert not wrong


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("schemas", "streams inference infra torch numpy"), ("streams", "torch inference infra")],
)
def test_importing_all_of_a_package_loads_nothing_forbidden(package: str, forbidden: str) -> None:
    """In a process of its own: what another library imports counts too."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    assert modules
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print(*sorted(set({forbidden!r}.split()) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
