"""The cache of embeddings under what happens to files: other processes, crashes, damage, no room.

What happens is done by real processes, and a second look by a fresh encoder tells what is left.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
import zlib

import numpy as np
import processes
import pytest
from processes import Process
from sklearn.base import clone

from skrouter import SentenceEncoder

TEXTS = [f"question {i}" for i in range(1200)]

# Runs the code that follows with an encoder and the texts; prints what was really encoded.
START = """
import os, resource, signal, sqlite3, sys, time, warnings
from skrouter import SentenceEncoder
from skrouter._encoders import embedding_cache
TEXTS = [f"question {i}" for i in range(1200)]
encoded = []
encode = SentenceEncoder._encode
def record(self, texts):
    encoded.extend(texts)
    return encode(self, texts)
SentenceEncoder._encode = record
encoder = SentenceEncoder(sys.argv[1], device="cpu", cache=sys.argv[2]).fit(["a"])
"""


def start(code, *arguments, **options):
    return Process(START + code, *arguments, **options)


def run(code, *arguments, **options):
    return processes.run(START + code, *arguments, **options)


@pytest.fixture(scope="module")
def expected(tiny_encoder_path):
    return SentenceEncoder(tiny_encoder_path, device="cpu", cache=None).fit_transform(TEXTS)


@pytest.fixture
def encoder(tiny_encoder_path, tmp_path):
    return SentenceEncoder(tiny_encoder_path, device="cpu", cache=tmp_path).fit(["a"])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "embeddings" / "embeddings.sqlite"


def execute(file, *statement):
    connection = sqlite3.connect(file)
    with connection:
        found = connection.execute(*statement).fetchall()
    connection.close()
    return found


def n_rows(file):
    return execute(file, "SELECT COUNT(*) FROM embedding")[0][0]


def test_a_process_does_not_wait_for_what_another_one_computes(encoder, expected, tmp_path):
    code = """
def slow(self, texts):
    print("computing", flush=True)
    time.sleep(600)
SentenceEncoder._encode = slow
encoder.transform(TEXTS)
"""
    other = start(code, encoder.model, tmp_path)
    try:
        assert other.stdout.readline() == "computing\n"
        began = time.monotonic()
        np.testing.assert_array_equal(encoder.transform(TEXTS[:5]), expected[:5])
        assert time.monotonic() - began < 1
        assert other.poll() is None
    finally:
        other.kill()
        other.communicate()


def test_two_writers_share_the_work(encoder, expected, tmp_path, file):
    code = """
encode_at_once = SentenceEncoder._encode
def slow(self, texts):
    time.sleep(0.2)
    return encode_at_once(self, texts)
SentenceEncoder._encode = slow
embedding_cache.CHUNK_SIZE = 50
print("ready", flush=True)
sys.stdin.readline()
encoder.transform(TEXTS)
print(len(encoded))
"""
    pair = [start(code, encoder.model, tmp_path) for _ in range(2)]
    assert [process.stdout.readline() for process in pair] == ["ready\n"] * 2
    for process in pair:
        process.stdin.write("go\n")
        process.stdin.flush()
    done = [process.communicate(timeout=120) for process in pair]
    assert [err for _, err in done] == ["", ""]
    assert sum(int(out) for out, _ in done) < 1.6 * len(TEXTS)  # 2 without sharing, 1 at best
    assert n_rows(file) == len(TEXTS)
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)


def test_a_busy_cache_is_done_without(encoder, expected, file):
    encoder.transform(TEXTS[:3])
    code = """
holder = sqlite3.connect(sys.argv[2] + "/embeddings/embeddings.sqlite", isolation_level=None)
holder.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(600)
"""
    other = start(code, encoder.model, file.parent.parent)
    try:
        assert other.stdout.readline() == "locked\n"
        began = time.monotonic()
        clone(encoder).set_params(cache=None).fit_transform(TEXTS)
        alone = time.monotonic() - began
        began = time.monotonic()
        with pytest.warns(RuntimeWarning, match="database is locked") as record:
            found = encoder.transform(TEXTS)
        # 0.8 s of waiting, once; the rest is for a machine that does something else as well.
        assert time.monotonic() - began < 1.2 + 5 * alone
        assert len(record) == 1
        np.testing.assert_array_equal(found, expected)
    finally:
        other.kill()
        other.communicate()
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)  # no warning any more
    assert n_rows(file) == len(TEXTS)


def test_a_process_that_is_killed_while_it_writes(encoder, expected, tmp_path, file):
    np.testing.assert_array_equal(encoder.transform(TEXTS[:300]), expected[:300])
    code = """
connect = sqlite3.connect
def die_before_commit(statement):
    if statement == "COMMIT":
        os.kill(os.getpid(), signal.SIGKILL)
def connect_to_die(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.execute("PRAGMA cache_size = 1")  # what is written goes to the file at once
    connection.set_trace_callback(die_before_commit)
    return connection
sqlite3.connect = connect_to_die
encoder.transform(TEXTS)
"""
    process = start(code, encoder.model, tmp_path)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert file.with_name(file.name + "-journal").stat().st_size > 0  # in the midst of it
    assert n_rows(file) == 300  # nothing is lost
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)
    assert n_rows(file) == len(TEXTS)


def test_a_full_disk(encoder, expected, tmp_path, file):
    encoder.transform(TEXTS[:100])
    code = """
size = os.stat(sys.argv[2] + "/embeddings/embeddings.sqlite").st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(encoder.transform(TEXTS).astype(float).sum())
"""
    (total,), err = run(code, encoder.model, tmp_path)
    assert err.count("RuntimeWarning") == 1 and "cannot be used" in err
    assert float(total) == expected.astype(float).sum()
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)  # there is room again
    assert n_rows(file) == len(TEXTS)


def test_a_folder_that_can_only_be_read(encoder, expected, tmp_path, file):
    encoder.transform(TEXTS[:3])
    if os.geteuid() == 0:  # who may write everywhere
        mounted = subprocess.run(["mount", "--bind", "-r", tmp_path, tmp_path], capture_output=True)
        if mounted.returncode:
            pytest.skip("this machine lets nobody mount a folder")
    else:
        file.chmod(0o400)
        file.parent.chmod(0o500)
    try:
        np.testing.assert_array_equal(encoder.transform(TEXTS[:3]), expected[:3])  # no warning
        with pytest.warns(RuntimeWarning, match="readonly database") as record:
            found = encoder.transform(TEXTS)
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", tmp_path], check=True)
        else:
            file.parent.chmod(0o700)
    assert len(record) == 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may be nobody")
def test_without_a_home_and_with_an_unknown_user(encoder, expected):
    code = """
environment = ("HOME", "SKROUTER_HOME", "XDG_CACHE_HOME")
for name in environment:
    os.environ.pop(name, None)
encoder.set_params(cache=None).transform(["a"])  # while the files of the model can be read
from skrouter._encoders import pretrained, sentence_encoder
loaded = pretrained.load_model(sys.argv[1], None, "cpu")
sentence_encoder.load_model = lambda *_: loaded
os.setuid(54321)
print(encoder.set_params(cache="auto").transform(TEXTS).astype(float).sum())
"""
    (total,), err = run(code, encoder.model, "unused")
    assert err.count("RuntimeWarning") == 1
    assert "HOME is not set" in err and "Set SKROUTER_HOME to a folder" in err
    assert float(total) == expected.astype(float).sum()


def test_the_oldest_go_when_it_is_full(encoder, expected, tmp_path, file):
    code = """
for start in range(0, 1200, 100):
    encoder.transform(TEXTS[start : start + 100])
encoded.clear()
encoder.transform(TEXTS[-100:])
print(len(encoded))
encoder.transform(TEXTS[:1])
print(len(encoded))
"""
    environment = {**os.environ, "SKROUTER_CACHE_GB": "1e-4"}  # 100 kB
    (recent, first), err = run(code, encoder.model, tmp_path, env=environment)
    assert (int(recent), int(first), err) == (0, 1, "")
    assert file.stat().st_size < 130_000
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)
    grown = file.stat().st_size
    run("encoder.transform(['one more'])", encoder.model, tmp_path, env=environment)
    assert n_rows(file) < len(TEXTS)  # a limit that was lowered, step by step
    assert file.stat().st_size == grown


def test_a_limit_that_is_no_number(encoder, expected, monkeypatch):
    monkeypatch.setenv("SKROUTER_CACHE_GB", "plenty")
    with pytest.warns(RuntimeWarning, match="SKROUTER_CACHE_GB is 'plenty'; a number is wanted"):
        np.testing.assert_array_equal(encoder.transform(TEXTS[:3]), expected[:3])


def nan_row(key):
    value = np.full(16, np.nan, dtype="<f4").tobytes()
    return value, zlib.crc32(value, zlib.crc32(key))


DAMAGE = {
    "an integer": lambda key, value, checksum: (7, checksum),
    "an integer of the right size": lambda key, value, checksum: (10**16, checksum),
    "text": lambda key, value, checksum: ("x" * 64, checksum),
    "NaN": lambda key, value, checksum: nan_row(key),
    "zeros": lambda key, value, checksum: (b"\0" * 64, checksum),
    "too short": lambda key, value, checksum: (value[:-4], checksum),
    "a checksum": lambda key, value, checksum: (value, "no number"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_row_is_computed_again(encoder, expected, file, damage):
    encoder.transform(TEXTS[:10])
    key, *row = execute(file, "SELECT key, value, checksum FROM embedding LIMIT 1")[0]
    update = "UPDATE embedding SET value = ?, checksum = ? WHERE key = ?"
    execute(file, update, (*DAMAGE[damage](key, *row), key))
    with pytest.warns(RuntimeWarning, match="has 1 damaged embedding.*computed again") as record:
        found = encoder.transform(TEXTS[:10])
    assert len(record) == 1
    np.testing.assert_allclose(found, expected[:10], atol=1e-6)
    np.testing.assert_allclose(encoder.transform(TEXTS[:10]), expected[:10], atol=1e-6)


def test_a_row_in_the_place_of_another_one_is_not_read(encoder, expected, file):
    encoder.transform(TEXTS[:2])
    (_, value, checksum), (second, *_) = execute(file, "SELECT * FROM embedding")
    update = "UPDATE embedding SET value = ?, checksum = ? WHERE key = ?"
    execute(file, update, (value, checksum, second))
    with pytest.warns(RuntimeWarning, match="damaged"):
        np.testing.assert_allclose(encoder.transform(TEXTS[:2]), expected[:2], atol=1e-6)


@pytest.mark.parametrize("damage", ["no database", "another table", "half a file", "no folder"])
def test_a_damaged_file_is_done_without(encoder, expected, file, damage):
    encoder.transform(TEXTS)
    if damage == "no database":
        file.write_bytes(b"no database at all" * 100)
    elif damage == "another table":
        execute(file, "DROP TABLE embedding")
        execute(file, "CREATE TABLE embedding (name TEXT)")
    elif damage == "half a file":
        os.truncate(file, file.stat().st_size // 2)
    else:
        shutil.rmtree(file.parent)
        file.parent.write_text("a file in the place of the folder")
    with pytest.warns(RuntimeWarning, match="cannot be used.*Delete the file") as record:
        found = encoder.transform(TEXTS)
    assert len(record) == 1
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_row_that_is_not_finite_is_not_stored(encoder, file, monkeypatch):
    monkeypatch.setattr(
        SentenceEncoder, "_encode", lambda self, texts: np.full((len(texts), 16), np.nan)
    )
    assert np.isnan(encoder.transform(["a poem"])).all()
    assert n_rows(file) == 0


def test_an_error_while_encoding_leaves_the_cache_usable(encoder, expected, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(SentenceEncoder, "_encode", lambda self, texts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            encoder.transform(TEXTS[:2])
    np.testing.assert_array_equal(encoder.transform(TEXTS[:2]), expected[:2])
