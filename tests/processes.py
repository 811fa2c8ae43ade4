"""Other processes for tests: real ones, forked from one that has imported the large libraries.

A process that is started from nothing imports torch and sentence-transformers for five seconds
before it does what the test is about. These begin where that one has got to, with nothing of
skrouter imported and no thread started. What a test says about starting, about imports or about
threads needs `subprocess`.
"""

import atexit
import multiprocessing
import os
import sys
import traceback
from functools import cache


@cache
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sentence_transformers", "sklearn.model_selection"])
    return context


class Process:
    """As `python -c code *arguments`, with its standard streams as files of text."""

    def __init__(self, code, *arguments, env=None, cwd=None):
        context = _context()
        pipes = [context.Pipe(duplex=False) for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        given = {
            "argv": ["-c", *map(str, arguments)],
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or os.getcwd()),
        }
        self._process = context.Process(target=_run, args=(code, given, theirs), daemon=True)
        self._process.start()
        for end in theirs:
            end.close()
        # The connections close their descriptors; the files are for reading and writing.
        self._ends = [pipes[0][1], pipes[1][0], pipes[2][0]]
        self.stdin, self.stdout, self.stderr = (
            open(end.fileno(), mode, closefd=False)
            for end, mode in zip(self._ends, "wrr", strict=True)
        )
        self.kill = self._process.kill

    def communicate(self, timeout=120):
        """Return what it wrote, when it has ended; kill it if that takes too long."""
        self.stdin.close()
        self._ends[0].close()
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"the process did not end within {timeout} s")
        return self.stdout.read(), self.stderr.read()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode


def run(code, *arguments, **options):
    """Return the words on standard output, and standard error, of a process that succeeds."""
    process = Process(code, *arguments, **options)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.split(), err


def _run(code, given, streams):
    for descriptor, stream in enumerate(streams):
        os.dup2(stream.fileno(), descriptor)
    for number, name in enumerate(["stdin", "stdout", "stderr"]):
        setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))
    sys.argv = given["argv"]
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    status = 0
    try:
        exec(compile(code, "<process>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()  # What a process does at its end, as saving what it covered.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
