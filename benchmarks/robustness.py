"""How often routers change their mind on RouterBench rows when the prompts are edited.

    python benchmarks/robustness.py --data DIR

trains on all ``*train*`` files of DIR together and edits the prompts of the fully scored rows of
its ``*test*`` files, with every kind of edit of ``skrouter.metrics.decision_flips``. Nothing is
chosen on the test rows. It prints Markdown.
"""

import argparse

from routerbench import load, load_scored
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import SentenceEncoder
from skrouter.baselines import KNNRouter, LinearRouter
from skrouter.metrics import decision_flips


def tfidf(analyzer):
    words = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    return make_pipeline(words, TruncatedSVD(128, random_state=0))


ROUTERS = {
    "ridge, all-MiniLM-L6-v2": LinearRouter(10.0, encoder=SentenceEncoder()),
    "kNN, all-MiniLM-L6-v2": KNNRouter(encoder=SentenceEncoder()),
    "ridge, TF-IDF of words": LinearRouter(10.0, encoder=tfidf("word")),
    "ridge, TF-IDF of characters": LinearRouter(10.0, encoder=tfidf("char")),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--cost-weight", type=float, default=0.02)
    arguments = parser.parse_args()
    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    print(
        f"{len(test.queries)} prompts, α = {arguments.cost_weight:g}, each edited once per kind. "
        "Score unedited; share of the decisions that flip, and mean utility lost.\n"
    )
    head = None
    for name, router in ROUTERS.items():
        router.set_params(cost_weight=arguments.cost_weight)
        router.fit(train.queries, train.performance, cost=train.cost)
        result = decision_flips(
            router, test.queries, y=test.performance, cost=test.cost, random_state=0
        )
        if head is None:
            head = result.edit
            print("| router | score | " + " | ".join(head) + " |")
            print("|---|---:|" + "---:|" * len(head))
            edited = [f"{share:.0%}" for share in result.edited_share]
            print("| prompts that the edit changes | | " + " | ".join(edited) + " |")
        score = router.score(test.queries, test.performance, cost=test.cost)
        cells = [
            f"{flips:.1%}, {lost:+.4f}"
            for flips, lost in zip(result.flip_share, result.utility_lost, strict=True)
        ]
        print(f"| {name} | {score:.4f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
