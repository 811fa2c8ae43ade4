"""What the LiteLLM plugin adds to the latency of a call.

    python benchmarks/serving.py [--requests 2000] [--rounds 8]

needs the extras litellm, offline and skops. It starts two of LiteLLM's proxies on the loopback
interface, alike but for the plugin, whose answers are mocks, and calls them in turn with the
``openai`` client, with 1, 8 and 32 clients at once; one more round of 32 clients replaces the file
of the router in the middle. No text comes twice. Beside it stands the encoder's own time: in this
process for each text of the single client, between its two calls, and in the proxy, as it went. It
prints Markdown, and exits with 1 if a request failed, an LLM was called that neither router chooses
for the text, or the new router did not take over.
"""

import argparse
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openai

from skrouter import RadialRouterClassifier, SentenceEncoder, load, save
from skrouter.datasets import make_routing_problem

CLIENTS = (1, 8, 32)
CONFIG = {
    "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    "router_settings": {},
}
START = "from litellm import run_server; run_server()"
# The plugin as a user makes it. What is noted of the encoder is its time alone.
PLUGIN = """
import time
from skrouter import SentenceEncoder
from skrouter.integrations.litellm import RouterPlugin

transform = SentenceEncoder.transform

def timed(self, X):
    start = time.perf_counter()
    embeddings = transform(self, X)
    with open("encoder.txt", "a") as file:
        print(len(X), time.perf_counter() - start, file=file)
    return embeddings

SentenceEncoder.transform = timed
plugin = RouterPlugin("router.skops", log="decisions.jsonl", check_every=0.1)
"""


class Proxy:
    """LiteLLM's proxy, as its own command starts it, and a client of it."""

    def __init__(self, folder, llm_names, with_plugin):
        folder.mkdir(exist_ok=True)
        config = {**CONFIG, "model_list": [_deployment(name) for name in llm_names]}
        if with_plugin:
            config["router_settings"] = {"plugins": ["routing.plugin"]}
            (folder / "routing.py").write_text(PLUGIN)
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        port, key = _free_port(), f"sk-{secrets.token_hex(16)}"
        environment = {
            **os.environ,
            "LITELLM_MASTER_KEY": key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "NO_PROXY": "127.0.0.1",
        }
        options = f"--config config.yaml --host 127.0.0.1 --port {port}"
        self.said = folder / "proxy.log"
        with open(self.said, "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, *options.split()],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.url, self.key, self.client = f"http://127.0.0.1:{port}", key, None
        self.connect()

    def connect(self):
        """Connect anew: the proxy closes connections that are idle for five seconds."""
        if self.client is not None:
            self.client.close()
        self.client = openai.OpenAI(base_url=self.url, api_key=self.key, max_retries=0, timeout=120)

    def __enter__(self):
        deadline = time.monotonic() + 600
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"The proxy did not start:\n{self.said.read_text()[-3000:]}")
            try:
                urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5).close()
                return self
            except OSError:
                time.sleep(0.2)

    def __exit__(self, *_):
        self.client.close()
        self.process.terminate()
        self.process.wait(60)

    def ask(self, text):
        """Seconds, and the LLM that answered: what the mock says is its name."""
        start = time.perf_counter()
        answer = self.client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": text}]
        )
        return time.perf_counter() - start, answer.choices[0].message.content


def _deployment(name):
    params = {"model": f"openai/{name}", "api_key": "none", "mock_response": name}
    return {"model_name": "auto", "litellm_params": params}


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Texts:
    """Queries that are all different, so that no cache knows the answer."""

    def __init__(self):
        self._queries = make_routing_problem(500, random_state=1).queries
        self._count = 0

    def take(self, n):
        first, self._count = self._count, self._count + n
        known = len(self._queries)
        return [f"{self._queries[i % known]} ({i})" for i in range(first, self._count)]


class Calls:
    """Calls of one proxy: how long each took, what was answered, and what went wrong."""

    def __init__(self):
        self.seconds, self.answers, self.errors = [], [], []

    def ask(self, proxy, text):
        try:
            seconds, llm = proxy.ask(text)
        except Exception as error:  # counted, shown, and an exit code of 1
            self.errors.append(f"{type(error).__name__}: {error}")
        else:
            self.seconds.append(seconds)
            self.answers.append((text, llm))

    def many(self, proxy, texts, n_clients, after_half=None):
        """Ask with some clients at once; each takes the next text when it was answered."""
        waiting, lock, half = iter(enumerate(texts)), threading.Lock(), len(texts) // 2

        def client():
            while True:
                with lock:
                    i, text = next(waiting, (None, None))
                if text is None:
                    return
                if i == half and after_half is not None:
                    after_half()
                self.ask(proxy, text)

        with ThreadPoolExecutor(n_clients) as pool:
            for future in [pool.submit(client) for _ in range(n_clients)]:
                future.result()

    def quantile(self, share):
        return 1e3 * float(np.quantile(self.seconds, share))


def fit_router():
    data = make_routing_problem(200, random_state=0)
    encoder = SentenceEncoder(cache=None, device="cpu")
    router = RadialRouterClassifier(encoder, llm_names=data.llm_names, device="cpu", random_state=0)
    return router.fit(data.queries, data.performance, cost=data.cost)


def one_client(plain, routed, texts, encoder):
    """One client; of each text, the proxies in turn and the encoder between them."""
    without, added, alone = Calls(), Calls(), []
    for i, text in enumerate(texts):
        turns = [(without, plain), (added, routed)]
        calls, proxy = turns[i % 2]
        calls.ask(proxy, text)
        start = time.perf_counter()
        encoder.transform([text])
        alone.append(time.perf_counter() - start)
        calls, proxy = turns[1 - i % 2]
        calls.ask(proxy, text)
    return without, added, alone


def many_clients(plain, routed, texts, n_clients, n_rounds):
    """Rounds of both proxies, in turn."""
    without, added = Calls(), Calls()
    for i, part in enumerate(np.array_split(np.array(texts, dtype=object), n_rounds)):
        turns = [(without, plain), (added, routed)]
        for calls, proxy in turns[:: 1 if i % 2 else -1]:
            proxy.connect()  # it was idle while the other one had its turn
            calls.many(proxy, part.tolist(), n_clients)
    return without, added


def show(n_clients, without, added):
    cells = [n_clients, f"{len(added.seconds):,}", len(added.errors) + len(without.errors)]
    for share in (0.5, 0.99):
        one, other = without.quantile(share), added.quantile(share)
        cells += [f"{one:.1f}", f"{other:.1f}", f"**{other - one:.1f}**"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def wrong(calls, *routers):
    """Answers that none of the routers gives."""
    texts = [text for text, _ in calls.answers]
    right = list(zip(*(router.predict(texts).tolist() for router in routers), strict=True))
    return sum(llm not in ok for (_, llm), ok in zip(calls.answers, right, strict=True))


def replaced(proxy, folder, router, texts):
    """Calls of 32 clients, and the new router that takes over in the middle."""
    old = load(folder / "router.skops")
    favourite = max(set(names := old.predict(texts).tolist()), key=names.count)
    router.remove_llm(favourite)  # so that its answers tell the routers apart
    calls = Calls()
    calls.many(proxy, texts, CLIENTS[-1], lambda: save(router, folder / "router.skops"))
    last = [llm for _, llm in calls.answers[-len(texts) // 10 :]]
    n_before = sum(llm == favourite for _, llm in calls.answers)
    taken_over = n_before > 0 and favourite not in last
    print(
        f"\nA router replaced in the middle of {len(texts):,} calls of {CLIENTS[-1]} clients: "
        f"{len(calls.errors)} failed, {wrong(calls, old, router)} answers of neither router; the "
        f"new one {'took' if taken_over else 'did NOT take'} over."
    )
    return calls, taken_over and not wrong(calls, old, router)


def encoder_in_proxy(path, since=0):
    """Texts and seconds of each call of the encoder in the proxy."""
    lines = [line.split() for line in path.read_text().splitlines()[since:]]
    return np.array([(int(n), float(seconds)) for n, seconds in lines])


def encoder_times(without, added, alone, inside):
    """What the encoder takes for the texts of one client, beside the latency that was added."""
    latency = added.quantile(0.5) - without.quantile(0.5)
    own, within = 1e3 * np.median(alone), 1e3 * np.median(inside[:, 1])
    return (
        f"The encoder alone, on the texts of 1 client: {own:.1f} ms in this process between calls, "
        f"{within:.1f} ms in the proxy (medians). Added: {latency / own:.2f} and "
        f"{latency / within:.2f} times that."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--requests", type=int, default=2000, help="for 8 and 32 clients; a quarter for 1"
    )
    parser.add_argument("--rounds", type=int, default=8, help="in which proxies take turns")
    arguments = parser.parse_args()
    n, texts, fine = arguments.requests, Texts(), True
    router = fit_router()
    router.encoder_.set_params(cache=None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "routed").mkdir()
        save(router, folder / "routed" / "router.skops")
        plain = Proxy(folder / "plain", router.classes_.tolist(), with_plugin=False)
        routed = Proxy(folder / "routed", router.classes_.tolist(), with_plugin=True)
        stack.enter_context(plain)
        stack.enter_context(routed)
        for proxy in (plain, routed):
            Calls().many(proxy, texts.take(64), 8)  # first calls are slow
        print(f"ms; {_load()}, of others too.\n")
        print(
            "| clients | calls | errors | p50 without | with | added | p99 without | with | added |"
        )
        print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        noted = folder / "routed" / "encoder.txt"
        for n_clients in CLIENTS:
            before = len(encoder_in_proxy(noted))
            asked = texts.take(n if n_clients > 1 else n // 4)
            if n_clients == 1:
                without, added, alone = one_client(plain, routed, asked, router.encoder_)
                single = encoder_times(without, added, alone, encoder_in_proxy(noted, before))
            else:
                without, added = many_clients(plain, routed, asked, n_clients, arguments.rounds)
            show(n_clients, without, added)
            fine &= not _said(without, added) and not wrong(added, router)
        batches = encoder_in_proxy(noted, before)
        print(
            f"\n{single} With {CLIENTS[-1]} clients it had {batches[:, 0].mean():.1f} texts at a "
            f"time, in {1e3 * np.median(batches[:, 1]):.1f} ms."
        )
        calls, all_right = replaced(routed, folder / "routed", router, texts.take(n))
        fine &= all_right and not _said(calls)
    print(f"At the end: {_load()}.")
    return 0 if fine else 1


def _load():
    return f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _said(*calls):
    """All errors, on the standard error."""
    errors = [error for one in calls for error in one.errors]
    for error in sorted(set(errors)):
        print(error, file=sys.stderr)
    return errors


if __name__ == "__main__":
    sys.exit(main())
