"""What can be written on the command line, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

ESTIMATORS = {
    "radial": ("skrouter", "RadialRouterClassifier"),
    "knn": ("skrouter.baselines", "KNNRouter"),
    "linear": ("skrouter.baselines", "LinearRouter"),
    "mlp": ("skrouter.baselines", "MLPRouter"),
    "svr": ("skrouter.baselines", "SVRRouter"),
    "best-single": ("skrouter.baselines", "BestSingleRouter"),
}

# Names of the options of the log that are also parameters of load_log.
LOG_OPTIONS = (
    "query",
    "llm",
    "performance",
    "performance_range",
    "cost",
    "prompt_tokens",
    "completion_tokens",
    "prices",
    "task",
    "sample_weight",
)

DATA_FORMAT = """\
the log:
  One row per query and LLM, in a .csv, .parquet or .jsonl file:

    prompt,model,rating,tokens_in,tokens_out
    What is 2 + 2?,gpt-small,5,10,8
    What is 2 + 2?,gpt-large,5,10,12
    Prove that e is irrational.,gpt-small,2,12,700
    Prove that e is irrational.,gpt-large,5,12,900

  Holes, repeated rows and other columns do no harm; what was found is counted and said. The prompt
  may be a chat, a list of messages as JSON. Prices are US dollars per million tokens, input first:

    {"gpt-small": [0.15, 0.60], "gpt-large": [2.50, 10.00]}

  or a .csv file with the columns llm,input,output, or the file
  model_prices_and_context_window.json of LiteLLM.
"""

_EXAMPLE = """\
from a log to a router:
  skrouter fit log.csv --query prompt --llm model --performance rating --performance-range 1 5 \\
      --prompt-tokens tokens_in --completion-tokens tokens_out --prices prices.json \\
      --out router.skops
  skrouter report log.csv --router router.skops --html report.html
  skrouter budget log.csv --router router.skops --budget 200 --queries 100000
  skrouter route --router router.skops "What is 3 + 3?"

The router file remembers the names of the columns and which queries it has not seen, so that the
later commands read the same log without being told again, and judge on those queries alone.

exit codes: 0 done, 1 an error (one line on the standard error), 2 wrong usage
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="skrouter",
        description="Learn from a log which LLM to call, and route queries to LLMs.",
        epilog=f"{DATA_FORMAT}\n{_EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_fit(commands)
    _add_evaluate(commands)
    _add_report(commands)
    _add_budget(commands)
    _add_route(commands)
    _add_explain(commands)
    _add_inspect(commands)
    return parser


class _Version(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import skrouter

        print(f"skrouter {skrouter.__version__}")
        parser.exit()


def _add(
    commands: argparse._SubParsersAction,
    name: str,
    module: str,
    help: str,
    description: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module=module, function=name)
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    return parser


def _add_log(parser: argparse.ArgumentParser, *, remembered: bool, optional: bool = False) -> None:
    """The log, and how its columns are called."""
    parser.add_argument(
        "log", type=Path, nargs="?" if optional else None, help="the log, described below"
    )
    title = "columns of the log"
    group = parser.add_argument_group(
        title, "What is not given is as it was when the router was fitted." if remembered else None
    )

    def add(option: str, metavar: str, help: str) -> None:
        default = option if option in ("query", "llm", "performance") and not remembered else None
        said = f"{help} (default: {default})" if default else help
        flag = "--" + option.replace("_", "-")
        group.add_argument(flag, dest=option, metavar=metavar, default=default, help=said)

    add("query", "COLUMN", "the prompt: text, or a chat")
    add("llm", "COLUMN", "the LLM that answered")
    add("performance", "COLUMN", "how well it did: any score or rating, higher is better")
    group.add_argument(
        "--performance-range",
        type=float,
        nargs=2,
        metavar=("WORST", "BEST"),
        help="the worst and the best possible performance, such as 1 5; needed unless it is in "
        "[0, 1]",
    )
    add("cost", "COLUMN", "US dollars of the call; or, for a cost from prices:")
    add("prompt_tokens", "COLUMN", "tokens of the prompt")
    add("completion_tokens", "COLUMN", "tokens of the answer")
    add("prices", "FILE", "US dollars per million tokens of each LLM (.json or .csv)")
    add("task", "COLUMN", "the task of the query, for comparisons")
    add("sample_weight", "COLUMN", "the weight of the query")


def _add_router(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--router", type=Path, required=True, metavar="FILE", help="the file of the router"
    )
    parser.add_argument(
        "--trusted",
        action="append",
        default=[],
        metavar="TYPE",
        help="a type of your own that the file may hold, such as my_package.MyEncoder; may be "
        "repeated",
    )


def _add_trade_off(parser: Any, default: str) -> None:
    parser.add_argument(
        "--cost-weight",
        type=float,
        metavar="A",
        help="the trade-off: performance given up for one US dollar per 1,000 queries "
        f"(default: {default})",
    )


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all",
        action="store_true",
        help="use every query of the log, also those that the router may have been fitted on: for "
        "a log that is newer than the router",
    )


def _add_fit(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "fit",
        "fit",
        "fit a router on a log",
        "Fit a router on a log, and save it to a file that runs no code when it is loaded.",
        DATA_FORMAT,
    )
    _add_log(parser, remembered=False)
    group = parser.add_argument_group("the router")
    group.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the file to write, router.skops"
    )
    group.add_argument(
        "--estimator",
        choices=list(ESTIMATORS),
        default="radial",
        help="the kind of router (default: radial)",
    )
    _add_trade_off(group, "0.02")
    group.add_argument(
        "--encoder",
        metavar="MODEL",
        help="name or folder of a sentence-transformers model (default: all-MiniLM-L6-v2)",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another parameter of the router, such as max_iter=20; may be repeated",
    )
    group.add_argument(
        "--hold-out",
        type=float,
        default=0.25,
        metavar="SHARE",
        help="share of the queries that is kept back, for evaluate, report and budget to judge "
        "by; 0 for the router that goes into production (default: 0.25)",
    )
    group.add_argument("--seed", type=int, default=0, help="seed (default: 0)")
    group.add_argument(
        "--verbose", action="store_true", help="show the loss after every epoch (radial)"
    )


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "evaluate",
        "judge",
        "score a router on held-out queries",
        "Mean performance, cost and utility of a router, of each LLM alone and of the oracle, on "
        "the queries\nof a log that the router was not fitted on.",
        DATA_FORMAT,
    )
    _add_log(parser, remembered=True)
    _add_router(parser)
    _add_trade_off(parser, "the router's own")
    _add_rows(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add_report(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "report",
        "judge",
        "say whether a router pays",
        "Say in plain words whether a router pays, on the queries of a log that it was not fitted "
        "on.",
        DATA_FORMAT,
    )
    _add_log(parser, remembered=True)
    _add_router(parser)
    _add_trade_off(parser, "the router's own")
    _add_rows(parser)
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write it as a page, too, with the picture where there are costs and matplotlib",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw performance against cost over the trade-offs (.png, .svg, .pdf)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of intervals (default: 0)")


def _add_budget(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "budget",
        "budget",
        "find the trade-off for a budget",
        "Find the trade-off for a sum of money and a number of queries, or the cheapest that keeps "
        "a share of\nthe best LLM's quality. Queries are those of the log that the router was not "
        "fitted on.",
        DATA_FORMAT,
    )
    _add_log(parser, remembered=True)
    _add_router(parser)
    _add_rows(parser)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--budget", type=float, metavar="DOLLARS", help="US dollars per period")
    wanted.add_argument(
        "--quality",
        type=float,
        metavar="SHARE",
        help="least performance as a share of that of the best LLM, such as 0.95",
    )
    parser.add_argument(
        "--queries", type=float, metavar="N", help="queries per period (needed with --budget)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


_QUERIES = """\
queries from a file:
  One query per line: plain text, or JSON: a string, a chat (a list of messages), or an object with
  a query under "query", "prompt" or "messages". Answers are JSON Lines in the same order: an object
  keeps what it holds, and gets the answer beside it.

    $ echo '{"id": 7, "query": "What is 3 + 3?"}' | skrouter route --router router.skops --input -
    {"id": 7, "query": "What is 3 + 3?", "llm": "gpt-small"}
"""


def _add_queries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="*", help="queries")
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="a file of queries, or - for the standard input, described below",
    )
    _add_router(parser)
    _add_trade_off(parser, "the router's own")
    parser.add_argument(
        "--allowed",
        action="append",
        metavar="LLM",
        help="an LLM that may be called; may be repeated (default: all)",
    )


def _add_route(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "route",
        "answer",
        "say which LLM to call",
        "Say which LLM to call: its name for each query, or JSON Lines for queries from a file.",
        _QUERIES,
    )
    _add_queries(parser)
    parser.add_argument("--json", action="store_true", help="print JSON Lines for texts, too")
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="queries that are read before they are answered together (default: 64 from a file, 1 "
        "from the standard input)",
    )


def _add_explain(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "explain",
        "answer",
        "say why",
        "Say what a choice rests on: predicted performance and cost of every LLM, the margin, the "
        "trade-offs at\nwhich it flips, and the most similar training queries.",
        _QUERIES,
    )
    _add_queries(parser)
    parser.add_argument(
        "--neighbors", type=int, default=5, metavar="N", help="similar queries (default: 5)"
    )
    parser.add_argument(
        "--log",
        type=Path,
        metavar="LOG",
        help="the log that the router was fitted on, to show the text of similar queries",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    parser = _add(
        commands,
        "inspect",
        "inspect",
        "show what is in a router file, without loading it",
        "Show what a file says of its router: versions, LLMs, encoder, data, types. Nothing of the "
        "router is\nloaded.",
    )
    parser.add_argument("file", type=Path, help="the file of a router")
    parser.add_argument("--json", action="store_true", help="print JSON")
