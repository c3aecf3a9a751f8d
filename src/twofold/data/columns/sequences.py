"""Tables whose samples are sequences: rows that belong together, or words that are read letter by letter.

Sequences may differ in length. In the array of samples all are as long as the longest, padded with NaN: see
`twofold.engine.lengths_of`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.checking import check_labels
from twofold.data.columns.dividing import Parts, divided, keys_of
from twofold.data.columns.encoding import NUMBER, Alphabet, FittedColumns, fit
from twofold.data.columns.faults import Refused, refuse
from twofold.data.columns.frame import Frame, Words, missing, words_of
from twofold.data.columns.labels import class_codes, classes_of, labelled, numbers_of, weights_of
from twofold.data.columns.origin import Origin, origin_of
from twofold.data.columns.plan import planned
from twofold.data.dataset import Dataset, Split
from twofold.data.room import check_room
from twofold.engine import NO_ANSWER
from twofold.errors import DataError
from twofold.recipe.columns import Table

MOST_SYMBOLS = 1000
"""Symbols of an alphabet, at most; a column with more does not hold words of letters."""


class Steps(NamedTuple):
    """Which rows of a table are the steps of which sequence."""

    rows: Array
    """Every row, sequence by sequence, in the order of the steps."""
    sequence: Array
    """The sequence that each of `rows` belongs to, counted from 0."""
    place: Array
    """The step that each of `rows` is in its sequence, counted from 0."""
    lengths: Array
    """Steps of each sequence."""

    @property
    def first(self) -> Array:
        """The row of each sequence's first step."""
        return self.rows[self.place == 0]

    def padded(self, values: Array, nothing: float, longest: int) -> Array:
        """Values by row as (sequences, steps, ...), with `nothing` where a sequence has ended."""
        whole = np.full((len(self.lengths), longest, *values.shape[1:]), nothing, values.dtype)
        whole[self.sequence, self.place] = values[self.rows]
        return whole


def steps_of(spec: Table, frame: Frame) -> Steps:
    """The steps of each sequence; sequences are in the order of their first rows.

    Raises `DataError` for a row that names no sequence, and for steps of one sequence with the same place in its order.
    """
    name = spec.sequence or ""
    words = words_of(frame.columns[name])
    if len(wrong := np.flatnonzero(words.codes < 0)):
        refuse(frame, [Refused(name, wrong, "is empty, and says to which sequence the row belongs", "")])
    _, begins, sequence = np.unique(words.codes, return_index=True, return_inverse=True)
    rank = np.empty(len(begins), np.int64)
    rank[np.argsort(begins)] = np.arange(len(begins))
    sequence = rank[sequence.reshape(-1)]
    keys = np.arange(frame.rows) if spec.order is None else keys_of(frame, spec.order)
    rows = np.lexsort((keys, sequence))
    lengths = np.bincount(sequence)
    ordered = sequence[rows]
    if spec.order is not None:
        _check_order(spec, frame, rows, ordered, keys)
    place = np.arange(frame.rows) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return Steps(rows, ordered, place, lengths)


def _check_order(spec: Table, frame: Frame, rows: Array, sequence: Array, keys: Array) -> None:
    """Raises `DataError` where two steps of a sequence have the same place."""
    same = np.flatnonzero((np.diff(sequence) == 0) & (keys[rows][1:] == keys[rows][:-1])) + 1
    if len(same):
        rule = f"holds {{cell}} twice in a sequence of `{spec.sequence}`: which of the steps comes first?"
        refuse(frame, [Refused(spec.order or "", np.sort(rows[same]), rule, "")])


def sequence_dataset(spec: Table, frame: Frame, test: Frame | None = None) -> Dataset:
    """The samples of a frame of sequences: whole sequences are held out, and columns or alphabet fitted to the rest."""
    frame = _answered_rows(spec, frame)
    steps = steps_of(spec, frame) if spec.sequence else None
    y, classes = classes_of(spec, frame) if spec.has_classes else (_numbers(spec, frame), ())
    if spec.each_step and spec.has_classes:
        y = np.where(missing(frame.columns[spec.labels[0]]), NO_ANSWER, y)
    answers = y if steps is None or spec.each_step else _sequence_labels(spec, frame, steps, y)
    firsts = frame if steps is None else frame.at(steps.first)
    for name in (spec.split, spec.group):
        if name is not None and steps is not None:
            _same_throughout(frame, steps, name, words_of(frame.columns[name]).codes)
    parts = divided(
        spec.model_copy(update={"order": None} if steps else {}),
        firsts,
        answers if spec.has_classes and not spec.each_step else None,
        test is not None,
    )
    columns, origin, sentences = _fitted(spec, frame, steps, parts)
    ours = Answered(frame, steps, answers, encoded(spec, columns, frame))
    own = None if test is None else _own_test(spec, test, columns, classes)
    longest = max(ours.x.shape[1], 0 if own is None else own.x.shape[1])
    whole = _split(spec, ours, longest)
    splits = {name: whole[rows] for name, rows in parts.items()}
    if own is not None:
        splits["test"] = _split(spec, own, longest)
    if spec.has_classes:
        _check_classes(frame, spec, splits["train"].y, classes)
    notes = (*frame.notes, *(f"{frame.source}: {note}" for note in sentences))
    names = () if spec.has_classes else spec.labels
    return Dataset(
        splits["train"], splits["validation"], splits["test"], classes, columns.features, notes=notes, targets=names,
        columns=columns, origin=origin, sequences=True,
    )  # fmt: skip


def encoded(spec: Table, columns: FittedColumns, frame: Frame) -> Array:
    """Every sequence of a frame as a network takes it, (sequences, steps, numbers), or (sequences, steps) of codes."""
    if columns.alphabet:
        return _symbols(columns.alphabet, frame)
    steps = steps_of(spec, frame)
    longest = int(steps.lengths.max())
    numbers = len(steps.lengths) * longest * len(columns.features)
    check_room(frame.source, numbers * NUMBER().itemsize, "Cut the longest sequences, or leave out columns.")
    return steps.padded(columns.encode(frame), np.nan, longest)


def _symbols(alphabet: Alphabet, frame: Frame) -> Array:
    words = _words(frame, alphabet.name)
    levels = alphabet.codes(words.levels)
    longest = max(len(levels[code]) for code in words.codes)
    width = (len(alphabet.symbols),) if alphabet.one_hot else ()
    check_room(frame.source, frame.rows * longest * int(np.prod(width)) * NUMBER().itemsize, "Cut the longest words.")
    x = np.full((frame.rows, longest, *width), np.nan, NUMBER)
    for row, code in enumerate(words.codes):
        x[row, : len(levels[code])] = alphabet.encoded(levels[code])
    return x


def _words(frame: Frame, name: str) -> Words:
    """A column of words. Raises `DataError` where the column is missing, or a row has no word."""
    if name not in frame.columns:
        raise DataError(f"{frame.source}: no column `{name}`, whose symbols the network reads")
    words = words_of(frame.columns[name])
    if len(empty := np.flatnonzero(words.codes < 0)):
        refuse(frame, [Refused(name, empty, "is empty: a sequence has at least one symbol", "")])
    return words


def _fitted(spec: Table, frame: Frame, steps: Steps | None, parts: Parts) -> tuple[FittedColumns, Origin, list[str]]:
    """The columns as fitted to the training sequences, their origin, and notes on them."""
    if steps is None:
        words = _words(frame, spec.symbols or "")
        held = {words.levels[code] for code in words.codes[parts["train"]]}
        symbols = tuple(sorted(set().union(*held)))
        if len(symbols) > MOST_SYMBOLS:
            raise DataError(
                f"{frame.source}: column `{spec.symbols}` holds {len(symbols):,} different symbols; at most "
                f"{MOST_SYMBOLS:,} are an alphabet"
            )
        alphabet = Alphabet(name=spec.symbols or "", symbols=symbols, one_hot=spec.symbols_as == "one_hot")
        return FittedColumns(labels=spec.labels, columns=(), alphabet=alphabet), Origin({}, {}, {}, frame), []
    plan = planned(spec, frame)
    train = steps.rows[np.isin(steps.sequence, parts["train"])]
    origin = origin_of(plan, frame, train, frame)
    return fit(plan, frame, train, spec.labels), origin, list(plan.notes())


def _answered_rows(spec: Table, frame: Frame) -> Frame:
    """The rows with a label; also those without one, as steps without an answer, if each step has its own label."""
    if spec.each_step and spec.symbols is not None:
        raise DataError(
            f"{frame.source}: a word of symbols has one label, and this network gives an answer at every step; end it "
            'with output = "last" or "mean".'
        )
    if spec.each_step and spec.without_label == "drop":
        return frame
    return labelled(spec, frame)


def _numbers(spec: Table, frame: Frame) -> Array:
    """The numbers to predict, or labels of 0 and 1; NaN for a step without an answer."""
    if not spec.each_step:
        y = numbers_of(spec.labels, frame)
    else:
        held = np.flatnonzero(~np.any([missing(frame.columns[name]) for name in spec.labels], axis=0))
        y = np.full((frame.rows, len(spec.labels)), np.nan)
        y[held] = numbers_of(spec.labels, frame.at(held))
    if spec.task == "multi_label":
        check_labels(y[~np.isnan(y).any(axis=1)], spec.labels, frame.source)
    return y


def _sequence_labels(spec: Table, frame: Frame, steps: Steps, y: Array) -> Array:
    """The label of each sequence. Raises `DataError` where it changes within one."""
    for place, name in enumerate(spec.labels):
        _same_throughout(frame, steps, name, y if y.ndim == 1 else y[:, place], EACH_STEP)
    return y[steps.first]


EACH_STEP = (
    'Where every step has a label of its own, let the network answer at every step: output = "every" in each recurrent '
    "layer."
)


def _same_throughout(frame: Frame, steps: Steps, name: str, values: Array, remedy: str = "") -> None:
    """Raises `DataError` at the first row whose value is not that of its sequence's first step."""
    first = values[steps.first][steps.sequence]
    wrong = np.sort(steps.rows[values[steps.rows] != first])
    if not len(wrong):
        return
    begun = int(steps.first[steps.sequence[np.flatnonzero(steps.rows == wrong[0])[0]]])
    rule = f"holds {{cell}}, another value than the sequence begins with ({frame.place(begun)}): it must stay the same"
    refuse(frame, [Refused(name, wrong[:1], rule, remedy)])


class Answered(NamedTuple):
    """The sequences of a frame, with their answers."""

    frame: Frame
    steps: Steps | None
    answers: Array
    """One for each row if every step has an answer, else one for each sequence."""
    x: Array


def _split(spec: Table, sequences: Answered, longest: int) -> Split:
    """All sequences with answers and weights, padded to `longest` steps; the file of a test may lack weights."""
    frame, steps, answers, x = sequences
    weight = weights_of(spec, frame) if spec.weight in frame.columns else None
    x = longer(x, longest)
    if steps is None:
        return Split(x, answers, weight=weight)
    if not spec.each_step:
        if weight is not None:
            _same_throughout(frame, steps, spec.weight or "", weight)
            weight = weight[steps.first]
        return Split(x, answers, weight=weight)
    nothing = NO_ANSWER if answers.dtype.kind == "i" else np.nan
    padded = None if weight is None else steps.padded(weight, 0.0, x.shape[1])
    return Split(x, steps.padded(answers, nothing, x.shape[1]), weight=padded)


def longer(x: Array, longest: int) -> Array:
    """Sequences padded with NaN to `longest` steps; rows of a table have that width already."""
    if x.shape[1] == longest:
        return x
    more = np.full((len(x), longest - x.shape[1], *x.shape[2:]), np.nan, x.dtype)
    return np.concatenate([x, more], axis=1)


def _own_test(spec: Table, test: Frame, columns: FittedColumns, classes: tuple[str, ...]) -> Answered:
    """The sequences of a test that is a file of its own."""
    test = _answered_rows(spec, test)
    steps = steps_of(spec, test) if spec.sequence else None
    if spec.has_classes:
        y = class_codes(test, spec.labels[0], classes, spec.each_step)
    else:
        y = _numbers(spec, test)
    answers = y if steps is None or spec.each_step else _sequence_labels(spec, test, steps, y)
    return Answered(test, steps, answers, encoded(spec, columns, test))


def _check_classes(frame: Frame, spec: Table, y: Array, classes: tuple[str, ...]) -> None:
    """Raises `DataError` for a class that no training step or sequence has."""
    held = np.bincount(y[y >= 0], minlength=len(classes))
    if not held.all():
        name = classes[int(held.argmin())]
        words = words_of(frame.columns[spec.labels[0]])
        row = int(np.flatnonzero(words.codes == words.levels.index(name))[0])
        what = "step" if spec.each_step else "sequence"
        raise DataError(
            f"{frame.place(row)}: column `{spec.labels[0]}`: no {what} of class `{name}` is trained on. Remove them, "
            "add samples, or hold out less."
        )
