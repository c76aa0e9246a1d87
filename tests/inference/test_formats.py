"""Every source is read as it was written."""

import lzma
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from inference.data import load
from inference.errors import DataError
from schemas.state import KIND_CODES


def said(log):
    """(user, item) in the order of time."""
    pairs = zip(log.user, log.item, strict=True)
    return [(log.users[user], log.items[item]) for user, item in pairs]


def test_recbole_files_with_titles_and_genres(tmp_path):
    (tmp_path / "small.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "7\t2\t3\t881250949\n"
        "7\t1\t5\t881250940\n"
        "8\t2\t4\t891717742\n"
    )
    (tmp_path / "small.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's\n"
        "3\tNobody saw it\t1995\tDrama\n"
    )
    log = load("recbole", tmp_path, tmp_path)
    assert said(log) == [("7", "1"), ("7", "2"), ("8", "2")]
    assert log.time_ms.tolist() == [881250940000, 881250949000, 891717742000]
    assert log.value.tolist() == [5, 3, 4]
    assert log.line.tolist() == [3, 2, 4]
    assert set(log.kind) == {KIND_CODES["rating"]}
    titles = dict(zip(log.items, log.titles, strict=True))
    assert titles == {"1": "Toy Story", "2": None}
    assert log.categories_of(log.items.index("1")) == ("Animation", "Children's")


@pytest.mark.parametrize("packed", [False, True])
def test_s3rec_lines(tmp_path, packed):
    text = b"1 10 11\n2 11 12 10\n"
    path = tmp_path / ("Beauty.txt.xz" if packed else "Beauty.txt")
    path.write_bytes(lzma.compress(text) if packed else text)
    log = load("s3rec", path, tmp_path)
    assert log.name == "s3rec:Beauty"
    assert not log.timed
    order, starts = log.by_user
    sequences = [
        [log.items[item] for item in log.item[order[begin:end]]] for begin, end in pairwise(starts)
    ]
    assert sequences == [["10", "11"], ["11", "12", "10"]]
    assert log.categories == ()


def test_s3rec_lines_with_what_the_items_are(tmp_path):
    (tmp_path / "Beauty.txt").write_text("1 10 11\n2 11 12 10\n")
    described = tmp_path / "Beauty_item_asin_attrs.tsv.xz"
    described.write_bytes(lzma.compress(b"11\tB2\tOPI | Nails\n10\tB1\tHair Care\n9\tB0\tNails\n"))
    log = load("s3rec", tmp_path / "Beauty.txt", tmp_path)
    assert [log.categories_of(log.items.index(item)) for item in ("10", "11", "12")] == [
        ("Hair Care",),
        ("OPI", "Nails"),
        (),
    ]
    described.write_bytes(lzma.compress(b"11\tB2\n"))
    with pytest.raises(DataError, match=r"attrs\.tsv\.xz:1: 3 fields are expected, 2 found"):
        load("s3rec", tmp_path / "Beauty.txt", tmp_path)


def test_gsasrec_files_put_together(tmp_path):
    files = {
        "train_input": "1 2 3\n4 5\n",
        "val_input": "4 5 6\n",
        "val_output": "7\n",
        "test_output": "9\n8\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.txt.xz").write_bytes(lzma.compress(text.encode()))
    log = load("gsasrec", tmp_path, tmp_path)
    by_user = {user: [item for u, item in said(log) if u == user] for user in log.users}
    assert by_user == {"1": ["1", "2", "3", "9"], "2": ["4", "5", "6", "7", "8"]}


def test_movielens_dat_in_latin_1(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::10::5::978300760\n2::20::4::978300761\n")
    (tmp_path / "movies.dat").write_bytes("10::Misérables, Les::Drama|War\n".encode("latin-1"))
    log = load("movielens", tmp_path, tmp_path)
    assert said(log) == [("1", "10"), ("2", "20")]
    assert log.titles == ("Misérables, Les", None)
    assert log.categories == (("Drama", "War"), ())


def test_movielens_csv_with_commas_in_titles(tmp_path):
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,10,4.5,978300760\n2,20,4.0,978300761\n"
    )
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n10,"American President, The (1995)",(no genres listed)\n'
    )
    log = load("movielens", tmp_path / "ratings.csv", tmp_path)
    assert log.value.tolist() == [4.5, 4.0]
    assert log.titles == ("American President, The (1995)", None)
    assert log.categories == ((), ())


@pytest.mark.parametrize("header", ["", "SessionId\tItemId\tTime\n"])
def test_sessions(tmp_path, header):
    path = tmp_path / "clicks.tsv"
    path.write_text(f"{header}1\ta\t1700000000.5\n2\tb\t1700000001\n")
    log = load("sessions", path, tmp_path)
    assert said(log) == [("1", "a"), ("2", "b")]
    assert log.time_ms.tolist() == [1700000000500, 1700000001000]


def test_csv_with_named_columns(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "item_id,user_id,timestamp,kind,value,title,category,other\n"
        'a,ann,2026-01-02T00:00:00Z,purchase,2,"Salt, coarse",Kitchen|Spice,x\n'
        "b,bob,2026-01-01 00:00:00,,,,,y\n"
    )
    log = load("csv", path, tmp_path)
    assert said(log) == [("bob", "b"), ("ann", "a")]
    assert log.time_ms.tolist() == [1767225600000, 1767312000000]
    assert log.kind.tolist() == [KIND_CODES["click"], KIND_CODES["purchase"]]
    assert np.isnan(log.value[0])
    assert log.value[1] == 2
    assert log.titles == ("Salt, coarse", None)
    assert log.categories == (("Kitchen", "Spice"), ())


@pytest.mark.parametrize("times", [[1767225600, 1767312000], [1767225600000, 1767312000000], "own"])
def test_parquet_with_named_columns(tmp_path, times):
    if times == "own":
        times = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]
    path = tmp_path / "events.parquet"
    parquet.write_table(
        pa.table(
            {"user_id": [1, 2], "item_id": ["a", "b"], "timestamp": times, "value": [None, 3.5]}
        ),
        path,
    )
    log = load("parquet", path, tmp_path)
    assert said(log) == [("1", "a"), ("2", "b")]
    assert log.time_ms.tolist() == [1767225600000, 1767312000000]
    assert log.line.tolist() == [1, 2]


def test_what_cannot_be_loaded_is_said(tmp_path):
    with pytest.raises(DataError, match=r"'netflix' is not known; there are ml-100k, "):
        load("netflix", None, tmp_path)
    with pytest.raises(DataError, match=r"s3rec needs the path of its data"):
        load("s3rec", None, tmp_path)
    with pytest.raises(DataError, match=r"gone\.csv: it does not exist"):
        load("csv", tmp_path / "gone.csv", tmp_path)
    with pytest.raises(DataError, match=r"ratings\.dat or ratings\.csv is not there"):
        load("movielens", tmp_path, tmp_path)
