"""Scores with an ONNX graph: equal to ONNX Runtime's own scores bit for bit, and the same in every batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Reason, Rejected, ScoreArray, Scores
from scorer.errors import Misconfigured, Problem
from scorer.model.interface import Booster, Explainer, Rows
from scorer.model.learned.categories import Given
from scorer.model.learned.rounds import ALL, Boosted, Rounds, refused
from scorer.model.learned.splits import Thresholds
from scorer.model.refusals import Library, score_or_refuse
from scorer.model.saved.nodes import Damaged, Unsupported

_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
_LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
_MOST_COLUMNS = 1 << 20
_TRIED = 512  # rows that are scored in batches of different sizes
_SIZES = (1, 7, 64, 128, 500)
_CELLS = 1 << 22  # most values in those rows
_UNDEFINED = "the score is NaN: the graph may not take missing values; give the plan's columns defaults"


class OnnxGraph(Booster):
    """A model as an ONNX graph with one float32 input [rows, columns] and one output of scores.

    A classifier has an output of labels as well; of two classes, the score is the probability of the second.

    Args:
        data: the file.
        rounds: which rounds to score with, which can only be all of them.

    Raises:
        Unsupported: it has other inputs or outputs.
        Misconfigured: ONNX Runtime is not installed, or there are no such rounds.
    """

    library = "onnxruntime"

    def __init__(self, data: bytes, rounds: Rounds | None) -> None:
        if rounds not in {None, ALL}:
            raise refused(f"is {rounds}, but an ONNX graph can only be used as a whole", "remove it")
        self._session = _session(data)
        self._input, self.columns = _input(self._session)
        self._output, self.numbers, labelled = _output(self._session)
        self.names, self.feature_types, self.categories = None, None, ()
        self.booster_kind, self.trees, self.rounds = "ONNX graph", 0, Boosted(0, None, 0, rounds)
        known = np.zeros((1, self.columns), np.float32)
        raw = self._run(known)
        if raw.shape not in {(1,), (1, 1)} and (raw.ndim != 2 or len(raw) != 1):  # noqa: PLR2004
            raise Unsupported(f"its output has the shape {list(raw.shape)} for one row, expected [1, outputs]")
        self._second = labelled and raw.shape == (1, 2)
        none = self._shaped(raw)[:0]
        self.classes = none.shape[1] if none.ndim > 1 else 1
        self.objective = ("binary" if self.classes == 1 else "multiclass") if labelled else "regression"
        self._alone = self._depends_on_batch()
        self.path = "onnxruntime" + (": one row at a time, since its scores depend on the batch" if self._alone else "")
        self._library = Library(Exception, _reason, "ONNX Runtime", known, none)

    def _score(self, matrix: Rows) -> Scores:
        """See `Booster.score`; a row whose score is NaN is refused."""
        found = score_or_refuse(self._library, self._predict, np.ascontiguousarray(matrix, np.float32))
        undefined = np.isnan(found.values)
        rows = np.flatnonzero(undefined.any(axis=1) if undefined.ndim > 1 else undefined).tolist()
        refused_already = {each.row for each in found.rejected}
        unscored = [Rejected(row, Reason.MODEL_ERROR, _UNDEFINED) for row in rows if row not in refused_already]
        return Scores(found.values, [*found.rejected, *unscored])

    def splits(self) -> list[Thresholds]:
        """See `Booster.splits`."""
        return [()] * self.columns

    def gains(self) -> NDArray[np.float64]:
        """See `Booster.gains`."""
        return np.zeros(self.columns)

    def explainer(self, most_bytes: int) -> Explainer:  # noqa: ARG002  as `Booster` has it
        """Refuse: an ONNX graph does not say how many training rows reached each node, if it has trees at all."""
        what = "an ONNX graph cannot be explained"
        raise Misconfigured([Problem("predictions.explain", what, "set it to null, or save the trees themselves")])

    @property
    def checks(self) -> list[str]:
        """What was checked while it was loaded."""
        same = "its scores are the same in batches of any size"
        return ["the model loads and scores in a process of its own", *([] if self._alone else [same])]

    @property
    def slow(self) -> str:
        """A warning if rows are scored one by one, otherwise empty."""
        return f"rows are scored one at a time, which is slow ({self.path})" if self._alone else ""

    def _unproven(self, given: Sequence[Given]) -> str:  # noqa: ARG002  as `Booster` has it
        return "an ONNX graph has no names of columns, so nothing confirms their order: add golden events"

    def _predict(self, matrix: Rows) -> ScoreArray:
        if self._alone:
            return np.concatenate([self._shaped(self._run(matrix[row : row + 1])) for row in range(len(matrix))])
        return self._shaped(self._run(matrix))

    def _run(self, matrix: Rows) -> ScoreArray:
        found: ScoreArray = self._session.run([self._output], {self._input: matrix})[0]
        return found

    def _shaped(self, raw: ScoreArray) -> ScoreArray:
        """Return the output as scores [rows] or [rows, outputs]."""
        if self._second:
            return raw[:, 1]
        return raw.reshape(-1) if raw.ndim == 1 or raw.shape[1] == 1 else raw

    def _depends_on_batch(self) -> bool:
        """Whether a row gets other scores in another batch, as with matrix products that are cut differently."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(max(1, min(_TRIED, _CELLS // self.columns)), self.columns)).astype(np.float32)
        try:
            whole = self._run(rows)
            parts = [
                np.concatenate([self._run(rows[at : at + size]) for at in range(0, len(rows), size)]) for size in _SIZES
            ]
        except Exception:  # noqa: BLE001  a graph that refuses such rows is tried on none
            return True
        return len(whole) != len(rows) or any(part.tobytes() != whole.tobytes() for part in parts)


def require_runtime() -> Any:  # noqa: ANN401  onnxruntime has no types
    """Return ONNX Runtime.

    Raises:
        Misconfigured: it is not installed.
    """
    try:
        import onnxruntime  # noqa: PLC0415  an extra
    except ImportError as error:
        what = f"a model of ONNX needs ONNX Runtime: {error}"
        raise Misconfigured([Problem("model", what, "install scorer[onnx]")]) from error
    return onnxruntime


def _session(data: bytes) -> Any:  # noqa: ANN401  the same
    """Return a session that runs the graph on this thread alone."""
    onnxruntime = require_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised anyway
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no class in common
        raise Damaged(_reason(str(error))) from error


def _input(session: Any) -> tuple[str, int]:  # noqa: ANN401  onnxruntime has no types
    """Return the name of the input, and how many columns it has."""
    inputs = session.get_inputs()
    found = ", ".join(f"{each.name} {each.type}{each.shape}" for each in inputs[:5]) or "none"
    expected = "expected one input, tensor(float) [any number of rows, columns]"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:  # noqa: PLR2004
        raise Unsupported(f"its inputs are {found}; {expected}")
    rows, columns = inputs[0].shape
    if isinstance(rows, int) or not isinstance(columns, int) or not 0 < columns <= _MOST_COLUMNS:
        raise Unsupported(f"its input is {found}; {expected}")
    return inputs[0].name, columns


def _output(session: Any) -> tuple[str, type[np.floating[Any]], bool]:  # noqa: ANN401  the same
    """Return the name and the type of the output with scores, and whether there are labels beside it."""
    outputs = session.get_outputs()
    found = ", ".join(f"{each.name} {each.type}" for each in outputs[:5])
    if any("map(" in each.type for each in outputs):
        raise Unsupported(f"its outputs are {found}: convert it with options={{'zipmap': False}}")
    scores = [each for each in outputs if each.type in _TYPES]
    labelled = len(outputs) == len(scores) + 1 and any(each.type in _LABELS for each in outputs)
    if len(scores) != 1 or len(outputs) != 1 + labelled:
        raise Unsupported(f"its outputs are {found}; expected one tensor of scores, and at most one of labels")
    return scores[0].name, _TYPES[scores[0].type], labelled


def _reason(text: str) -> str:
    """Return the first line of a message of ONNX Runtime."""
    return (text.splitlines() or ["no reason given"])[0]
