"""Logistic regression, random forest and support vector machine on classical features, tuned
without leakage.

The grid search and its folds are grouped: no source and no speaker is in two folds. The result of
random folds is reported beside it for comparison.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from radd.bundle import NETWORK
from radd.dataset import Clip, DecodedClips
from radd.errors import ConfigError
from radd.front_ends.classical import NAMES, Classical
from radd.metrics import eer, error_rates
from radd.onnx import OnnxModel
from radd.parallel import forked_in_order
from radd.trials import UNKNOWN
from radd.types import HOP_SAMPLES
from radd.window_detector import WindowModel
from training.baselines.classical_features import features
from training.baselines.fit import BaselineTask, Learned

WINDOW_HOPS, STRIDE_HOPS = 31, 4
FOLDS = 4
LEAST_SHARE = 1e-3  # of a forest's trees: unlimited odds would claim more certainty than it has
TOLERANCE = 0.01  # of the scores' deviation: an SVM sums thousands of vectors in single precision
FEATURES, TABLE = "classical.npy", "importances.csv"
SHUFFLES = 3  # per feature, for its importance

ESTIMATORS: dict[str, tuple[Callable, dict[str, list]]] = {
    "logistic": (
        lambda seed: LogisticRegression(class_weight="balanced", max_iter=2000),
        {"C": [0.003, 0.03, 0.3, 3.0]},
    ),
    "forest": (
        lambda seed: RandomForestClassifier(200, class_weight="balanced", random_state=seed),
        {"max_depth": [8, 16, None], "min_samples_leaf": [1, 4]},
    ),
    "svm": (
        lambda seed: SVC(class_weight="balanced", random_state=seed),
        {"C": [0.3, 3.0, 30.0], "gamma": [0.003, 0.02]},
    ),
}


def learn(task: BaselineTask) -> Learned:
    """Like training.baselines.fit.BaselineLearner; also writes TABLE, the importance of each
    feature.
    """
    name, seed = task.name, task.recipe.seed
    shown = _features(task.clips, task.channel, seed, task.work.parent / FEATURES, task.workers)
    # two rows for each clip, unchanged and after the channel: both in the group of the clip
    rows = shown.reshape(-1, shown.shape[2])
    bonafide = np.repeat([c.label == "bonafide" for c in task.clips.clips], 2)
    groups = np.repeat(unrelated(task.clips.clips), 2)
    pipeline, best = _tuned(name, seed, rows, bonafide, groups)
    claims = _claims(pipeline, rows, bonafide, groups, seed)
    for folds, rate in claims.items():
        print(f"{name}: EER {100 * rate:.1f} % over folds {folds}", flush=True)
    fold = next(GroupKFold(FOLDS).split(rows, bonafide, groups))
    importances = _importances(pipeline, rows, bonafide, fold, seed)
    _write_table(task.making / TABLE, importances)
    pipeline.fit(rows, bonafide)
    export(pipeline, rows[:: max(1, len(rows) // 500)], task.making / NETWORK)
    model = WindowModel(
        "classical", asdict(Classical()), WINDOW_HOPS, STRIDE_HOPS, (), parameters(pipeline)
    )
    measured = {
        f"EER over folds {folds}, %": round(100 * rate, 1) for folds, rate in claims.items()
    }
    return Learned(
        model,
        best | measured | {"windows": len(rows)},
        {name: mean for name, (mean, _) in importances.items()},
    )


def _tuned(
    name: str, seed: int, rows: np.ndarray, bonafide: np.ndarray, groups: np.ndarray
) -> tuple[Pipeline, dict[str, Any]]:
    """The untrained pipeline with the best parameters of its grid, and these by name.

    Raises ConfigError for fewer groups than folds.
    """
    if len(set(groups)) < FOLDS:
        raise ConfigError(
            f"the training set has {len(set(groups))} groups of clips without a common source or "
            f"speaker; {FOLDS} are needed to tune a model; add corpora"
        )
    make, grid = ESTIMATORS[name]
    pipeline = make_pipeline(StandardScaler(), make(seed))
    last = pipeline.steps[-1][0]
    search = GridSearchCV(
        pipeline,
        {f"{last}__{key}": values for key, values in grid.items()},
        scoring="roc_auc",
        cv=GroupKFold(FOLDS),
        refit=False,
    )
    search.fit(rows, bonafide, groups=groups)
    pipeline.set_params(**search.best_params_)
    return pipeline, {
        key.removeprefix(f"{last}__"): value for key, value in search.best_params_.items()
    }


def _claims(
    pipeline: Pipeline, rows: np.ndarray, bonafide: np.ndarray, groups: np.ndarray, seed: int
) -> dict[str, float]:
    """The EER over grouped folds, and over random ones to show what leakage would claim."""
    return {
        "grouped by source and speaker": _eer(pipeline, rows, bonafide, GroupKFold(FOLDS), groups),
        "drawn at random, which leaks": _eer(
            pipeline, rows, bonafide, KFold(FOLDS, shuffle=True, random_state=seed)
        ),
    }


def _features(
    clips: DecodedClips, channel: Callable, seed: int, kept: Path, workers: int
) -> np.ndarray:
    """Features of one window of each clip, unchanged and after the channel, float32 (clips, 2, 52);
    computed once.
    """
    if not kept.is_file():

        def both(i: int) -> np.ndarray:
            rng = np.random.default_rng([seed, i])
            samples, length = clips.samples(i), WINDOW_HOPS * HOP_SAMPLES
            begin = int(rng.integers(max(1, len(samples) - length + 1)))
            window = np.resize(samples[begin : begin + length], length)
            altered = np.resize(
                channel(samples[begin : begin + length], rng).astype(np.float32), length
            )
            return np.stack([features(window), features(altered)])

        made = np.stack(list(forked_in_order(both, range(len(clips)), workers)))
        part = kept.with_suffix(".part.npy")
        np.save(part, made)
        part.replace(kept)
    return np.load(kept)


def unrelated(clips: list[Clip]) -> np.ndarray:
    """The number of each clip's group (n,): clips with a common source or known speaker share a
    group, transitively.
    """
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(one: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(one, one) != one:
            one = leader[one]
        return one

    for clip in clips:
        if clip.speaker not in (UNKNOWN, "-"):
            leader[find(("source", clip.source))] = find(("speaker", clip.speaker))
    numbers: dict[tuple[str, str], int] = {}
    return np.array(
        [numbers.setdefault(find(("source", clip.source)), len(numbers)) for clip in clips]
    )


def _eer(
    pipeline: Pipeline,
    rows: np.ndarray,
    bonafide: np.ndarray,
    folds,
    groups: np.ndarray | None = None,
) -> float:
    method = "decision_function" if hasattr(pipeline, "decision_function") else "predict_proba"
    scores = cross_val_predict(pipeline, rows, bonafide, groups=groups, cv=folds, method=method)
    scores = scores if scores.ndim == 1 else scores[:, 1]
    return eer(error_rates(scores[bonafide], scores[~bonafide]))[0]


def _importances(
    pipeline: Pipeline,
    rows: np.ndarray,
    bonafide: np.ndarray,
    fold: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> dict[str, tuple[float, float]]:
    """By feature: loss of area under the held-out ROC curve when its values are shuffled; mean,
    deviation.
    """
    learned, held = fold
    pipeline.fit(rows[learned], bonafide[learned])
    importance = permutation_importance(
        pipeline,
        rows[held],
        bonafide[held],
        scoring="roc_auc",
        n_repeats=SHUFFLES,
        random_state=seed,
    )
    pairs = zip(
        importance.importances_mean.tolist(), importance.importances_std.tolist(), strict=True
    )
    return dict(zip(NAMES, pairs, strict=True))


def _write_table(path: Path, importances: dict[str, tuple[float, float]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "importance", "deviation"])
        for name, (mean, deviation) in sorted(importances.items(), key=lambda item: -item[1][0]):
            writer.writerow([name, f"{mean:.5f}", f"{deviation:.5f}"])


def parameters(pipeline: Pipeline) -> int:
    """Number of trained parameters: weights, or thresholds and leaves, or support vectors; and the
    scaling.
    """
    scaler, classifier = (step for _, step in pipeline.steps)
    if isinstance(classifier, RandomForestClassifier):
        return sum(2 * tree.tree_.node_count for tree in classifier.estimators_)
    if isinstance(classifier, SVC):
        return (
            classifier.support_vectors_.size
            + classifier.dual_coef_.size
            + 1
            + 2 * scaler.scale_.size
        )
    return classifier.coef_.size + 1 + 2 * scaler.scale_.size


def export(pipeline: Pipeline, rows: np.ndarray, path: Path) -> None:
    """Export features -> one score: the decision function, or the log odds of a forest's trees.

    Raises RuntimeError if ONNX Runtime and scikit-learn differ on `rows` by more than TOLERANCE
    allows.
    """
    classifier = pipeline.steps[-1][1]
    is_forest = isinstance(classifier, RandomForestClassifier)
    options = {id(classifier): {"zipmap": False} | ({} if is_forest else {"raw_scores": True})}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # skl2onnx uses attributes that scikit-learn has deprecated
        network = to_onnx(
            pipeline,
            rows[:1].astype(np.float32),
            options=options,
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
    _append_score(network.graph, is_forest)
    onnx.save(network, path)
    _check(path, network.graph.input[0].name, pipeline, rows)


def _append_score(graph: onnx.GraphProto, is_forest: bool) -> None:
    """Replace the outputs of both classes by one score."""
    given = graph.output[1].name
    if is_forest:
        floor = numpy_helper.from_array(np.array(LEAST_SHARE, np.float32), "least_share")
        ceiling = numpy_helper.from_array(np.array(1 - LEAST_SHARE, np.float32), "most_share")
        graph.initializer.extend([floor, ceiling])
        graph.node.extend(
            [
                helper.make_node("Clip", [given, "least_share", "most_share"], ["shares"]),
                helper.make_node("Log", ["shares"], ["logits"]),
            ]
        )
        given = "logits"
    graph.initializer.append(
        numpy_helper.from_array(
            np.array([[-1], [1]], np.float32) * (1 if is_forest else 0.5), "sides"
        )
    )
    graph.node.append(helper.make_node("MatMul", [given, "sides"], ["score"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, [None, 1]))


def _check(path: Path, given: str, pipeline: Pipeline, rows: np.ndarray) -> None:
    actual = OnnxModel(path).run(**{given: rows.astype(np.float32)})[0][:, 0]
    expected = _scores(pipeline, rows)
    away, spread = np.abs(actual - expected).max(), expected.std()
    if away > TOLERANCE * spread:
        raise RuntimeError(
            f"{path.name}: scores differ from scikit-learn's by {away:.2e}, their deviation is "
            f"{spread:.2e}"
        )


def _scores(pipeline: Pipeline, rows: np.ndarray) -> np.ndarray:
    if hasattr(pipeline, "decision_function"):
        return pipeline.decision_function(rows)
    share = np.clip(pipeline.predict_proba(rows), LEAST_SHARE, 1 - LEAST_SHARE)
    return np.log(share[:, 1]) - np.log(share[:, 0])
