"""Fixtures shared by all tests: real, tiny encoders made offline, and a private home folder."""

import string

import numpy as np
import pytest
from joblib.externals.loky import reusable_executor

WORDS = """
a all an and are as at be by can code compute count derivative do each equation essay explain find
for from function given has history how if in integer integral is it list loop many matrix method
number of on or poem prime program proof prove python query question return science short solve
sort state story string sum than that the theorem then this to translate two what when which who
why with word write
""".split()


@pytest.fixture(scope="session", autouse=True)
def skrouter_home(tmp_path_factory):
    """Keep every test, and the processes it starts, away from the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("skrouter_home")
        patch.setenv("SKROUTER_HOME", str(home))
        yield home


@pytest.fixture(scope="module", autouse=True)
def no_idle_workers():
    """Stop the processes of joblib after each module.

    They are kept for the next search, and leave after five idle minutes. A search that begins just
    then can wait for them for ever.
    """
    yield
    executor = reusable_executor._executor
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)


def _vocabulary():
    # single characters as well, so that any ASCII text is made of known tokens
    characters = [c for c in string.printable if not c.isspace() and not c.isupper()]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokens += characters + ["##" + c for c in characters]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


@pytest.fixture(scope="session")
def tiny_encoder_path(tmp_path_factory):
    """Folder of a sentence-transformers model of 16 dimensions: a mean of word vectors.

    It loads in milliseconds, and texts that share words have similar embeddings.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = _vocabulary()
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    weights = np.random.default_rng(0).normal(size=(len(vocabulary), 16)).astype(np.float32)
    module = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu"
    )
    path = tmp_path_factory.mktemp("tiny_encoder")
    module.save_pretrained(str(path), create_model_card=False)
    return str(path)


@pytest.fixture(scope="session")
def tiny_bert_path(tmp_path_factory):
    """Folder of a randomly initialised BERT of 16 dimensions with mean pooling, 32 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_bert")
    vocabulary = _vocabulary()
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(str(folder / "plain"))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(str(folder / "plain"))
    transformer = Transformer(str(folder / "plain"), max_seq_length=32)
    modules = [transformer, Pooling(16, pooling_mode="mean")]
    module = SentenceTransformer(modules=modules, device="cpu")
    module.save_pretrained(str(folder / "model"), create_model_card=False)
    return str(folder / "model")
