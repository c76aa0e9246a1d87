"""ml-100k is fetched whole or not at all. The installer is a small script of the test's own."""

import stat
from pathlib import Path

import pytest

from inference.data import load
from inference.data.ml100k import fetch_ml100k
from inference.errors import DataError

INSTALLS = """#!/bin/sh
echo "$@" >> {log}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/recbole/dataset_example/ml-100k"
cd "$2/recbole/dataset_example/ml-100k"
printf 'user_id:token\\titem_id:token\\trating:float\\ttimestamp:float\\n' > ml-100k.inter
printf '1\\t1\\t3\\t881250949\\n2\\t2\\t4\\t881250950\\n' >> ml-100k.inter
printf 'item_id:token\\tmovie_title:token_seq\\n1\\tToy Story\\n' > ml-100k.item
touch ml-100k.user
"""


@pytest.fixture
def installer(tmp_path, monkeypatch):
    """Gives a function that makes a script the uv of this test."""

    def use(text):
        path = tmp_path / "uv"
        path.write_text(text.format(log=tmp_path / "log"))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("TIDEMILL_UV", str(path))
        return tmp_path / "log"

    return use


def test_it_is_fetched_once_with_a_pinned_hash_and_loaded(tmp_path, installer):
    called = installer(INSTALLS)
    home = tmp_path / "home"
    for _ in range(2):
        log = load("ml-100k", None, home)
        assert log.name == "ml-100k"
        assert log.titles == ("Toy Story", None)
    (call,) = called.read_text().splitlines()
    assert "--no-deps" in call
    assert "--require-hashes" in call
    requirements = Path(call.split(" -r ")[1].split()[0]).read_text()
    assert "recbole==" in requirements
    assert "--hash=sha256:" in requirements
    folder = home / "datasets" / "ml-100k"
    assert sorted(path.name for path in folder.iterdir()) == ["ml-100k.inter", "ml-100k.item"]


def test_no_network_is_one_sentence_and_leaves_nothing(tmp_path, installer):
    installer("#!/bin/sh\necho 'error: could not connect' >&2\nexit 2\n")
    target = tmp_path / "home" / "datasets" / "ml-100k"
    with pytest.raises(DataError, match=r"is there a network\?.*could not connect"):
        fetch_ml100k(target)
    assert [path.name for path in target.parent.iterdir()] == [".lock"]


def test_an_interrupted_fetch_is_begun_again(tmp_path, installer):
    installer(INSTALLS)
    target = tmp_path / "datasets" / "ml-100k"
    half = target.parent / ".writing-half"
    half.mkdir(parents=True)
    (half / "ml-100k.inter").write_text("half")
    fetch_ml100k(target)
    assert not half.exists()
    assert (target / "ml-100k.item").is_file()


def test_an_incomplete_folder_is_not_overwritten(tmp_path, installer):
    installer(INSTALLS)
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(DataError, match=r"lacks one of ml-100k\.inter, ml-100k\.item"):
        fetch_ml100k(tmp_path / "ml-100k")


def test_an_installer_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEMILL_UV", str(tmp_path / "no-uv"))
    with pytest.raises(DataError, match=r"could not be fetched.*No such file"):
        fetch_ml100k(tmp_path / "ml-100k")
