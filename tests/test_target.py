"""Every form in which performance and cost are given becomes one checked target."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import indexable
from sklearn.utils._indexing import _safe_indexing

from skrouter import make_routing_target
from skrouter._targets.routing_target import RoutingTarget, check_routing_target, check_trainable
from skrouter._targets.utility import routing_utility

PERFORMANCE = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]])
COST = np.array([[3.0, 2.0, 0.1], [5.0, 1.0, 0.2]])
PRICES = np.array([4.0, 1.5, 0.1])
NAMES = ["large", "medium", "small"]


def frame(values, names=NAMES, order=(0, 1, 2)):
    order = list(order)
    return pd.DataFrame(np.asarray(values)[:, order], columns=[names[i] for i in order])


# One meaning, whatever the form


@pytest.mark.parametrize(
    "performance",
    [PERFORMANCE, PERFORMANCE.tolist(), PERFORMANCE.astype(np.float32), frame(PERFORMANCE)],
    ids=["array", "list", "float32", "DataFrame"],
)
@pytest.mark.parametrize("cost", [COST, COST.tolist(), frame(COST)], ids=["array", "list", "frame"])
def test_forms_of_performance_and_cost_agree(performance, cost):
    target = check_routing_target(performance, cost)
    np.testing.assert_array_equal(target.performance, PERFORMANCE)
    np.testing.assert_array_equal(target.cost, COST)
    assert target.performance.dtype == target.cost.dtype == np.float64


def test_three_dimensional_target_is_performance_and_cost():
    target = check_routing_target(make_routing_target(PERFORMANCE, COST))
    np.testing.assert_array_equal(target.performance, PERFORMANCE)
    np.testing.assert_array_equal(target.cost, COST)
    np.testing.assert_array_equal(target.llm_names, [0, 1, 2])


def test_make_routing_target_holds_performance_then_cost():
    y = make_routing_target(PERFORMANCE, COST)
    assert y.shape == (2, 3, 2)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y[..., 0], PERFORMANCE)
    np.testing.assert_array_equal(y[..., 1], COST)


def test_list_prices_are_the_cost_of_every_query():
    target = check_routing_target(PERFORMANCE, PRICES)
    np.testing.assert_array_equal(target.cost, [PRICES, PRICES])
    np.testing.assert_array_equal(make_routing_target(PERFORMANCE, PRICES)[1, :, 1], PRICES)


def test_list_prices_with_as_many_queries_as_llms_belong_to_llms():
    target = check_routing_target(np.eye(3), PRICES)
    np.testing.assert_array_equal(target.cost, [PRICES] * 3)


def test_without_cost_there_is_none():
    assert check_routing_target(PERFORMANCE).cost is None


def test_boolean_and_integer_performance_become_numbers():
    target = check_routing_target(PERFORMANCE == 1, np.array([[3, 2, 1], [5, 1, 2]]))
    np.testing.assert_array_equal(target.performance, [[1, 0, 0], [0, 1, 0]])
    assert target.performance.dtype == target.cost.dtype == np.float64


def test_missing_outcomes_stay_missing_and_never_become_zero():
    performance = np.where(PERFORMANCE == 0.5, np.nan, PERFORMANCE)
    cost = np.where(COST == 0.2, np.nan, COST)
    target = check_routing_target(performance, cost)
    assert np.isnan(target.performance[0, 2]) and np.isnan(target.performance).sum() == 1
    assert np.isnan(target.cost[1, 2]) and np.isnan(target.cost).sum() == 1
    np.testing.assert_array_equal(
        np.isnan(make_routing_target(performance, cost)),
        np.stack([np.isnan(performance), np.isnan(cost)], axis=-1),
    )


@pytest.mark.parametrize(
    "performance",
    [
        [[1, None], [0, 1]],
        pd.DataFrame({"a": [1, 0], "b": [None, 1]}, dtype=object),
        pd.DataFrame({"a": [1, 0], "b": [None, 1]}).astype("Float64"),
        pd.DataFrame({"a": [1, 0], "b": [None, 1]}).astype("Int64"),
    ],
    ids=["None", "object", "Float64", "Int64"],
)
def test_every_mark_of_a_missing_outcome_is_nan(performance):
    np.testing.assert_array_equal(
        check_routing_target(performance).performance, [[1, np.nan], [0, 1]]
    )


def test_negative_performance_is_allowed():
    target = check_routing_target([[-1.0, 0.0]], [0.0, 0.0])
    np.testing.assert_array_equal(target.performance, [[-1, 0]])


def test_target_can_be_pickled():
    target = pickle.loads(pickle.dumps(check_routing_target(frame(PERFORMANCE), COST)))
    assert isinstance(target, RoutingTarget)
    np.testing.assert_array_equal(target.llm_names, NAMES)


def test_inputs_are_not_modified():
    performance, cost = frame(PERFORMANCE), pd.Series(PRICES, index=NAMES)
    arrays = PERFORMANCE.copy(), COST.copy()
    for array in arrays:
        array.flags.writeable = False
    make_routing_target(performance, cost)
    check_routing_target(*arrays, known_llms=np.array([2, 0, 1]), llm_names=None)
    pd.testing.assert_frame_equal(performance, frame(PERFORMANCE))
    pd.testing.assert_series_equal(cost, pd.Series(PRICES, index=NAMES))
    np.testing.assert_array_equal(arrays[0], PERFORMANCE)


def test_made_target_is_a_copy():
    performance = PERFORMANCE.copy()
    y = make_routing_target(performance, COST)
    performance[0, 0] = 99
    assert y[0, 0, 0] == 1


def test_made_target_survives_what_model_selection_does_to_it():
    y = make_routing_target(np.where(PERFORMANCE == 0.5, np.nan, PERFORMANCE), COST)
    assert indexable(y)[0] is y
    assert isinstance(check_cv(2, y, classifier=True), KFold)
    np.testing.assert_array_equal(_safe_indexing(y, [1])[0], y[1])


# Names


def test_names_come_from_columns():
    names = check_routing_target(frame(PERFORMANCE)).llm_names
    assert names.tolist() == NAMES
    assert names.dtype.kind == "U"


def test_names_come_from_llm_names():
    assert check_routing_target(PERFORMANCE, llm_names=NAMES).llm_names.tolist() == NAMES
    y = make_routing_target(PERFORMANCE, COST)
    assert check_routing_target(y, llm_names=NAMES).llm_names.tolist() == NAMES


def test_llms_without_names_are_numbered():
    np.testing.assert_array_equal(check_routing_target(PERFORMANCE).llm_names, [0, 1, 2])


def test_columns_and_llm_names_of_the_same_pool_agree_in_any_order():
    target = check_routing_target(frame(PERFORMANCE), llm_names=NAMES[::-1])
    assert dict(zip(target.llm_names.tolist(), target.performance[0], strict=True)) == dict(
        zip(NAMES, PERFORMANCE[0], strict=True)
    )


@pytest.mark.parametrize(
    "cost",
    [
        frame(COST, order=(2, 0, 1)),
        pd.Series(PRICES[[2, 0, 1]], index=["small", "large", "medium"]),
    ],
    ids=["DataFrame", "Series"],
)
@pytest.mark.parametrize(
    "y, names",
    [
        (frame(PERFORMANCE), {}),
        (PERFORMANCE, {"llm_names": NAMES}),
        (PERFORMANCE, {"known_llms": np.array(NAMES)}),
    ],
    ids=["columns", "llm_names", "known_llms"],
)
def test_named_costs_are_matched_by_name_not_by_place(cost, y, names):
    target = check_routing_target(y, cost, **names)
    expected = COST if cost.ndim == 2 else [PRICES, PRICES]
    np.testing.assert_array_equal(target.cost, expected)


def test_costs_without_names_are_matched_by_place():
    for cost in (PRICES, pd.Series(PRICES)):
        target = check_routing_target(frame(PERFORMANCE), cost)
        np.testing.assert_array_equal(target.cost[0], PRICES)


def test_known_llms_set_the_order_of_everything():
    known = np.array(["small", "large", "medium"])
    target = check_routing_target(frame(PERFORMANCE), frame(COST), known_llms=known)
    assert target.llm_names.tolist() == known.tolist()
    np.testing.assert_array_equal(target.performance, PERFORMANCE[:, [2, 0, 1]])
    np.testing.assert_array_equal(target.cost, COST[:, [2, 0, 1]])


def test_known_llms_name_the_columns_of_an_array_in_their_order():
    target = check_routing_target(PERFORMANCE, COST, known_llms=np.array(NAMES))
    np.testing.assert_array_equal(target.performance, PERFORMANCE)
    assert target.llm_names.tolist() == NAMES


def test_integer_column_names_are_names_too():
    y = pd.DataFrame(PERFORMANCE, columns=[2, 0, 1])
    target = check_routing_target(y, known_llms=np.arange(3))
    np.testing.assert_array_equal(target.performance, PERFORMANCE[:, [1, 2, 0]])


@pytest.mark.parametrize(
    "y, names, message",
    [
        (pd.DataFrame(PERFORMANCE, columns=["a", "b", "a"]), {}, "distinct; repeated: ['a']"),
        (PERFORMANCE, {"llm_names": ["a", "b", "a"]}, "distinct; repeated: ['a']"),
        (["a", "b"], {"llm_names": ["a", "b", "a"]}, "distinct; repeated: ['a']"),
        (PERFORMANCE, {"llm_names": ["a", "b"]}, "y has 3 column(s), but the pool has 2"),
        (PERFORMANCE, {"known_llms": np.arange(4)}, "y has 3 column(s), but the pool has 4"),
        (frame(PERFORMANCE), {"llm_names": ["a", "b", "c"]}, "but the pool is ['a', 'b', 'c']"),
        (frame(PERFORMANCE), {"known_llms": np.array(NAMES[:2])}, "but the pool is ['large', 'med"),
    ],
)
def test_names_that_are_repeated_or_do_not_fit_are_refused(y, names, message):
    with pytest.raises(ValueError) as error:
        check_routing_target(y, **names)
    assert message in str(error.value)


@pytest.mark.parametrize("llm_names", ["abc", 3, [NAMES]])
def test_llm_names_that_are_no_list_of_names_are_refused(llm_names):
    with pytest.raises(ValueError, match="llm_names"):
        check_routing_target(PERFORMANCE, llm_names=llm_names)


def test_columns_of_mixed_types_are_either_refused_or_kept_apart():
    y = pd.DataFrame(PERFORMANCE, columns=["a", 1, "1"])
    try:
        names = check_routing_target(y).llm_names.tolist()
    except ValueError:
        return
    assert names == ["a", 1, "1"]


@pytest.mark.parametrize(
    "cost", [pd.Series(PRICES, index=["a", "b", "c"]), frame(COST, names=["large", "b", "c"])]
)
def test_costs_of_other_llms_are_refused(cost):
    with pytest.raises(ValueError, match="cost names the LLMs"):
        check_routing_target(frame(PERFORMANCE), cost)


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
    ],
    ids=["list", "array", "object", "Series", "category"],
)
def test_labels_are_one_hot_performance(labels):
    target = check_routing_target(labels)
    np.testing.assert_array_equal(target.performance, [[0, 1], [1, 0], [0, 1]])
    assert target.llm_names.tolist() == ["a", "b"]
    assert target.cost is None


def test_string_labels_of_a_frame_are_names_like_any_others():
    labels = pd.Series(["small", "large", "small"], dtype=object)
    assert check_routing_target(labels).llm_names.dtype.kind == "U"


def test_integer_labels_keep_their_type():
    target = check_routing_target([7, 3, 7])
    assert target.llm_names.tolist() == [3, 7]
    np.testing.assert_array_equal(target.performance, [[0, 1], [1, 0], [0, 1]])


def test_labels_take_the_pool_and_its_order_from_llm_names():
    target = check_routing_target(["b", "a"], llm_names=["c", "b", "a"])
    np.testing.assert_array_equal(target.performance, [[0, 1, 0], [0, 0, 1]])
    assert target.llm_names.tolist() == ["c", "b", "a"]


def test_labels_can_come_with_costs():
    target = check_routing_target(["b", "a"], cost=[1.0, 2.0])
    np.testing.assert_array_equal(target.cost, [[1, 2], [1, 2]])


def test_labels_outside_llm_names_are_refused():
    with pytest.raises(ValueError, match="not in llm_names: \\['z'\\]"):
        check_routing_target(["a", "z"], llm_names=["a", "b"])


def test_label_outside_a_known_pool_is_a_failure_of_every_llm():
    target = check_routing_target(["a", "z"], known_llms=np.array(["a", "b"]))
    np.testing.assert_array_equal(target.performance, [[1, 0], [0, 0]])


@pytest.mark.parametrize(("labels", "pool"), [([0, 1], ["0", "1"]), (["0", "1"], [0, 1])])
def test_labels_of_another_type_than_the_names_of_the_llms_are_refused(labels, pool):
    with pytest.raises(ValueError, match="of the same type"):
        check_routing_target(labels, known_llms=np.array(pool))


def test_column_of_labels_is_flattened_with_scikit_learns_warning():
    with pytest.warns(DataConversionWarning):
        target = check_routing_target(np.array([["b"], ["a"]]))
    np.testing.assert_array_equal(target.performance, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    "y, options",
    [
        (pd.DataFrame({"only": [0.5, 1.0]}), {}),
        (np.array([[0.5], [1.0]]), {"cost": [2.0]}),
        (np.array([[0.5], [1.0]]), {"llm_names": ["only"]}),
        (np.array([[0.5], [1.0]]), {"known_llms": np.array(["only"])}),
        (np.array([[[0.5, 2.0]], [[1.0, 2.0]]]), {}),
    ],
    ids=["DataFrame", "cost", "llm_names", "known_llms", "3-D"],
)
def test_column_that_cannot_be_labels_is_one_llm(y, options):
    target = check_routing_target(y, **options)
    np.testing.assert_array_equal(target.performance, [[0.5], [1.0]])


@pytest.mark.parametrize(
    "labels",
    [
        [0.5, 1.2],
        [np.nan, 1.0],
        [np.inf, 1.0],
        np.array([None, "a"], dtype=object),
        pd.Series(["a", None]),
    ],
    ids=["continuous", "nan", "inf", "None", "missing"],
)
def test_values_that_are_no_labels_are_refused(labels):
    with pytest.raises(ValueError):
        check_routing_target(labels)


def test_labels_are_no_target_to_make():
    with pytest.raises(ValueError, match="shape \\(n_queries, n_llms\\), got \\(2,\\)"):
        make_routing_target([0, 1], [1.0, 2.0])


# Refusals


@pytest.mark.parametrize(
    "y, cost, message",
    [
        (None, None, "requires y to be passed, but the target y is None"),
        (3.0, None, "must have shape (n_queries, n_llms), got ()"),
        (np.zeros((2, 2, 2, 2)), None, "must have shape (n_queries, n_llms), got (2, 2, 2, 2)"),
        (np.zeros((2, 3, 3)), None, "y has shape (2, 3, 3); a three-dimensional y must come from"),
        (np.zeros((2, 3, 2)), PRICES, "cost was given together with a three-dimensional y"),
        ([["good", "bad"]], None, "y must hold numbers"),
        (PERFORMANCE, ["a", "b", "c"], "cost must hold numbers"),
        (PERFORMANCE, 1.0, "cost has shape ()"),
        (PERFORMANCE, [1.0, 2.0], "cost has shape (2,); wanted (2, 3), one per query and LLM"),
        (PERFORMANCE, COST.T, "cost has shape (3, 2); wanted (2, 3)"),
        (PERFORMANCE, np.ones((3, 3)), "performance has 2, and cost has 3"),
        (PERFORMANCE, [1.0, -2.0, 1.0], "cost holds 1 negative value(s), the first at (1,)"),
        (PERFORMANCE, [1.0, 2.0, np.inf], "cost holds 1 infinite value(s), the first at (2,)"),
        (PERFORMANCE, -COST, "cost holds 6 negative value(s), the first at (0, 0)"),
        (
            [[1.0, -np.inf]],
            None,
            "performance (in y) holds 1 infinite value(s), the first at (0, 1",
        ),
        (make_routing_target(PERFORMANCE, COST) * [1, -1], None, "cost holds 6 negative value(s)"),
    ],
)
def test_bad_targets_are_refused_by_name(y, cost, message):
    with pytest.raises(ValueError) as error:
        check_routing_target(y, cost)
    assert message in str(error.value)


@pytest.mark.parametrize("value, what", [(np.inf, "infinite"), (-1.0, "negative")])
def test_bad_costs_are_refused_when_the_target_is_made(value, what):
    with pytest.raises(ValueError, match=f"cost holds 1 {what}"):
        make_routing_target([[1.0]], [[value]])


def test_target_without_cost_cannot_be_made():
    with pytest.raises(ValueError, match="cost is None"):
        make_routing_target(PERFORMANCE, None)


# What can be learnt from


def test_target_with_an_outcome_in_every_row_and_column_is_trainable():
    performance = np.array([[1.0, np.nan], [np.nan, 0.0]])
    assert check_trainable(RoutingTarget(performance, None, np.arange(2)), 0.0) is None


def test_queries_without_any_outcome_are_named():
    performance = np.ones((9, 2))
    performance[2:] = np.nan
    with pytest.raises(ValueError, match="7 row\\(s\\) of y, first \\[2, 3, 4, 5, 6\\]"):
        check_trainable(RoutingTarget(performance, None, np.arange(2)), 0.0)


def test_llms_without_any_outcome_are_named():
    performance = np.array([[1.0, np.nan, 0.0], [0.5, np.nan, 1.0]])
    with pytest.raises(ValueError, match="every query for \\['medium'\\]"):
        check_trainable(RoutingTarget(performance, None, np.array(NAMES)), 0.0)


# Utility


def test_utility_is_performance_minus_weighted_cost():
    np.testing.assert_allclose(
        routing_utility(PERFORMANCE, COST, 0.1), [[0.7, -0.2, 0.49], [-0.5, 0.9, 0.23]]
    )


def test_nothing_is_charged_without_costs():
    np.testing.assert_array_equal(routing_utility(PERFORMANCE, None, 0.1), PERFORMANCE)


def test_missing_cost_counts_only_where_costs_count():
    cost = np.where(COST == 0.2, np.nan, COST)
    np.testing.assert_array_equal(routing_utility(PERFORMANCE, cost, 0), PERFORMANCE)
    utility = routing_utility(PERFORMANCE, cost, 0.1)
    assert np.isnan(utility[1, 2]) and np.isnan(utility).sum() == 1


def test_labels_of_dtype_object_are_matched_to_names_of_dtype_object():
    labels = np.array(["a", "b", "a"], dtype=object)
    fitted = check_routing_target(labels)
    again = check_routing_target(labels, known_llms=fitted.llm_names)
    np.testing.assert_array_equal(again.performance, [[1, 0], [0, 1], [1, 0]])
    with pytest.raises(ValueError, match="pass labels of the same type"):
        check_routing_target(np.array([0, 1, 0]), known_llms=fitted.llm_names)
