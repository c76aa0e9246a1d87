"""What is wrong with a source is said with its file and line, and nothing is guessed."""

import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.data import load
from inference.data.rows import Rows
from inference.errors import DataError
from inference.models.answer import answer
from inference.models.requests import request_of
from inference.training import train
from schemas.serving import ITEMS
from tests.inference.logs import chains, log_of
from tests.infra.command import called

HEADER = "user_id,item_id,timestamp,value,kind\n"
GOOD = "ann,a,1700000000,5,rating\nbob,b,1700000001,4,rating\n"


def csv(tmp_path, rows, header=HEADER):
    path = tmp_path / "events.csv"
    path.write_text(header + rows)
    return load("csv", path, tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ann,a", "5 fields are expected, 2 found"),
        ("ann,a,soon,5,rating", "the time 'soon' is neither a number nor ISO 8601"),
        ("ann,a,-5,5,rating", "the time -5 is not at or after 1970"),
        ("ann,a,nan,5,rating", "the time nan is not at or after 1970"),
        ("ann,a,1700000000,NaN,rating", "the value 'NaN' is not a number"),
        ("ann,a,1700000000,much,rating", "the value 'much' is not a number"),
        ("ann,a,1700000000,5,adored", "kind 'adored' is none of view, "),
        (",a,1700000000,5,rating", "the user id is empty"),
        ("ann,,1700000000,5,rating", "the item id is empty"),
        (f"ann,{'x' * 257},1700000000,5,rating", "has 257 characters; at most 256 are allowed"),
        (f"ann,{'x' * 300},1700000000,5,rating", "has 300 characters; at most 256 are allowed"),
        (f"{'x' * 129},a,1700000000,5,rating", "has 129 characters; at most 128 are allowed"),
        ("ann,a,1700000002000,5,rating", "is in milliseconds, those before it are not"),
        ('ann,"a,1700000000,5,rating', "it is not CSV"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, said):
    with pytest.raises(DataError) as caught:
        csv(tmp_path, f"{GOOD}{row}\n")
    assert str(caught.value).startswith(f"{tmp_path}/events.csv:4: ")
    assert said in str(caught.value)


def test_ids_of_the_longest_allowed_length(tmp_path):
    row = f"{'u' * 128},{'i' * 256},1700000000,5,rating\n"
    assert len(csv(tmp_path, GOOD + row)) == 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "it holds no interaction"),
        ("ann,a,1700000000,5,rating\nann,b,1700000001,5,rating\n", "it holds only the user 'ann'"),
        ("ann,a,1700000000,5,rating\nbob,a,1700000001,5,rating\n", "it holds only the item 'a'"),
    ],
)
def test_too_little_to_learn_from(tmp_path, rows, said):
    with pytest.raises(DataError, match=said):
        csv(tmp_path, rows)


def test_an_item_of_300_bytes_that_are_150_characters_is_like_any_other(tmp_path):
    item = "\u5b57" * 100
    assert len(item.encode()) == 300
    fitted = train(csv(tmp_path, GOOD + f"ann,{item},1700000002,5,rating\n"))
    assert item in [known.item_id for known in fitted.items]


def test_items_that_a_release_does_not_know_are_as_if_they_were_not_there():
    model, foreign = train(chains()).model, log_of({"ann": "x y z", "bob": "z"})
    order, starts = foreign.by_user
    histories = [order[starts[0] : starts[1]], order[:0]]
    answers = answer(model, request_of(foreign, histories, 5))
    for name, table in answers.items():
        assert (table[0] == table[1]).all(), name
    assert answers[ITEMS].all()


@pytest.mark.parametrize(
    "name", ["recbole", "s3rec", "gsasrec", "movielens", "sessions", "parquet"]
)
def test_an_empty_source_is_told_with_its_place(tmp_path, name):
    for file in ("a.inter", "a.item", "train_input.txt", "val_input.txt", "val_output.txt"):
        (tmp_path / file).write_text("")
    (tmp_path / "test_output.txt").write_text("")
    (tmp_path / "ratings.dat").write_text("")
    (tmp_path / "movies.dat").write_text("")
    whole = name in ("recbole", "gsasrec", "movielens")
    path = tmp_path if whole else tmp_path / "a.inter"
    with pytest.raises(DataError) as caught:
        load(name, path, tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", ": it holds no interaction"),
        ("ann,a,1700000000,5,rating\nann,b,1700000001,5,rating\n", ": it holds only the user"),
        ("ann,a,1700000000,5,rating\nbob,a,1700000001,5,rating\n", ": it holds only the item"),
        (f"{GOOD}ann,{'x' * 300},1700000000,5,rating\n", ":4: the item id"),
        (f"{GOOD}ann,a,1700000000,nan,rating\n", ":4: the value 'nan' is not a number"),
    ],
)
def test_train_says_it_in_one_line_and_writes_nothing(tmp_path, rows, said):
    path = tmp_path / "events.csv"
    path.write_text(HEADER + rows)
    home = tmp_path / "home"
    told = called(home, "train", "csv", "--data", str(path))
    assert told.exit_code == 1
    (line,) = told.stderr.splitlines()
    assert f"{path}{said}" in line
    assert not home.exists()


def test_an_empty_file(tmp_path):
    with pytest.raises(DataError, match=r"the column user_id, item_id, timestamp is missing"):
        csv(tmp_path, "", header="")


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(DataError, match=r"events\.csv:1: the column timestamp is missing"):
        csv(tmp_path, "ann,a\n", header="user_id,item_id\n")


def test_repeated_rows_count_once_and_are_counted(tmp_path):
    log = csv(tmp_path, GOOD + GOOD + "ann,a,1700000000,4,rating\n")
    assert len(log) == 3
    assert log.repeats_dropped == 2
    assert sorted(log.line.tolist()) == [2, 3, 6]


def test_repeated_rows_without_a_value_count_once(tmp_path):
    row = "ann,a,1700000000\n"
    log = csv(tmp_path, f"{row}{row}bob,b,1700000001\n", header="user_id,item_id,timestamp\n")
    assert len(log) == 2


def test_rows_out_of_order_are_sorted_and_ties_keep_their_order(tmp_path):
    log = csv(
        tmp_path,
        "ann,late,1700000009,,\nann,b,1700000001,,\nbob,a,1700000001,,\nann,early,1700000000,,\n",
    )
    assert [log.items[item] for item in log.item] == ["early", "b", "a", "late"]


def test_text_that_is_not_utf_8_or_not_xz(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1 2 3\n2 \xff\n")
    with pytest.raises(DataError, match=r"a\.txt:2: it is not utf-8"):
        load("s3rec", tmp_path / "a.txt", tmp_path)
    lines = "".join(f"{user} 2 3\n" for user in range(1000)).encode()
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(lines)[:-20])
    with pytest.raises(DataError, match=r"b\.txt\.xz:\d+: it cannot be unpacked"):
        load("s3rec", tmp_path / "b.txt.xz", tmp_path)


def test_a_file_that_is_no_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not at all")
    with pytest.raises(DataError, match=r"a\.parquet: it cannot be read as Parquet"):
        load("parquet", tmp_path / "a.parquet", tmp_path)


def test_s3rec_lines_that_are_wrong(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 10 11\n2\n")
    with pytest.raises(DataError, match=r"a\.txt:2: the user '2' has no item"):
        load("s3rec", path, tmp_path)
    path.write_text("1 10 11\n2 11\n1 12\n")
    with pytest.raises(DataError, match=r"a\.txt:3: the user '1' is on line 1 too"):
        load("s3rec", path, tmp_path)


def test_gsasrec_files_that_do_not_fit_together(tmp_path):
    files = {"train_input": "1 2\n", "val_input": "", "val_output": "", "test_output": "3\n4\n"}
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(DataError, match="it has 1 users, but test_output has 2"):
        load("gsasrec", tmp_path, tmp_path)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), max_size=30))
def test_no_list_of_good_rows_breaks_it(rows):
    collected = Rows("any", __file__)
    for line, (user, item, time) in enumerate(rows, start=1):
        collected.add(line, f"u{user}", f"i{item}", 1_700_000_000 + time)
    if len({user for user, _, _ in rows}) < 2 or len({item for _, item, _ in rows}) < 2:
        with pytest.raises(DataError):
            collected.finish()
        return
    log = collected.finish()
    assert (log.time_ms[1:] >= log.time_ms[:-1]).all()
    assert len(log) == len(set(rows))
    assert log.repeats_dropped == len(rows) - len(set(rows))
