"""Debian packages unpacked into a folder of ours: no root needed, no system service starts.

`apt-get` says which packages the wanted ones need beyond what this machine has; they are fetched
by `apt-get download` and unpacked by `dpkg-deb -x`. Where the machine's package lists are missing
or too old, lists of our own are fetched first.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from infra.local.install.running import run
from infra.local.problems import InstallError

_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+\.deb) ")
_FAILURE = (
    "Debian's packages {} could not be fetched; check the network (and apt's proxy settings), "
    "then run this again"
)


@dataclass(frozen=True)
class Group:
    """Packages that are unpacked into one folder with what they need."""

    name: str
    packages: tuple[str, ...]
    needs: bool = True
    """False unpacks the named packages alone."""


def tree(tools: Path, group: Group) -> Path:
    """The folder that stands for `/` in the unpacked packages."""
    return tools / f"debian-{group.name}"


def installed(tools: Path, group: Group) -> bool:
    return tree(tools, group).is_dir()


def install(tools: Path, group: Group) -> None:
    """Fetched packages stay until all are unpacked, so a repeated run resumes."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InstallError(
            f"{' '.join(group.packages)} come from Debian packages and there is no apt-get here; "
            "use Debian 12"
        )
    downloads = tools / "downloads" / group.name
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        archives = _download(group, downloads, [])
    except InstallError:
        archives = _download(group, downloads, _own_lists(tools, group))
    unfinished = tree(tools, group).with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for archive in archives:
        run(
            ["dpkg-deb", "-x", str(archive), str(unfinished)],
            failure=f"{archive.name} could not be unpacked; remove {downloads} and run this again",
        )
    make_links_relative(unfinished)
    unfinished.replace(tree(tools, group))
    shutil.rmtree(downloads, ignore_errors=True)


def library_folders(tools: Path, group: Group) -> list[Path]:
    """Debian moves libraries from /lib to /usr/lib package by package."""
    root = tree(tools, group)
    return sorted([*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu")])


def library_path(tools: Path, group: Group) -> str:
    """The same for LD_LIBRARY_PATH."""
    return ":".join(map(str, library_folders(tools, group)))


def _download(group: Group, downloads: Path, options: list[str]) -> list[Path]:
    failure = _FAILURE.format(" ".join(group.packages))
    # As root apt would fetch as a user of its own, who may not write here.
    options = [*options, "-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else options
    wanted = list(group.packages)
    if group.needs:
        plan = run(
            ["apt-get", "install", "--print-uris", "--reinstall", "--no-install-recommends", "-qq",
             "-y", *options, *group.packages],
            failure=failure,
        )  # fmt: skip
        files = [found["file"] for line in plan.splitlines() if (found := _LINE.match(line))]
        wanted = [package(file) for file in files]
    run(["apt-get", "download", "-qq", *options, *wanted], cwd=downloads, failure=failure)
    return sorted(downloads.glob("*.deb"))


def package(file: str) -> str:
    """name_1%3a2.3_amd64.deb -> name:amd64=1:2.3, as apt-get wants it."""
    name, version, architecture = file.removesuffix(".deb").split("_")
    suffix = "" if architecture == "all" else f":{architecture}"
    return f"{name}{suffix}={version.replace('%3a', ':')}"


def _own_lists(tools: Path, group: Group) -> list[str]:
    lists = tools / "downloads" / "apt-lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    cache = tools / "downloads" / "apt-cache"
    cache.mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    run(
        # Without this a network that fails is only a warning.
        ["apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any", *options, *sandbox],
        failure=_FAILURE.format(" ".join(group.packages)),
    )
    return options


def make_links_relative(root: Path) -> None:
    """Links to `/etc/...` inside a package mean the package's own file, which lies under `root`."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            continue
        target = path.readlink()
        if target.is_absolute() and not target.is_relative_to(root):
            inside = root / target.relative_to("/")
            path.unlink()
            path.symlink_to(os.path.relpath(inside, path.parent))
