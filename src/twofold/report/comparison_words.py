"""What runs side by side show, in words: every number in them is computed from the runs."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.analysis import Gap, gaps, lowest_loss
from twofold.analysis.comparison import (
    LEVEL,
    Paired,
    against_best,
    all_curves,
    common_splits,
    common_unit,
    epoch_steps,
    reached,
    same_machine,
    same_task,
)
from twofold.analysis.curves import Curve
from twofold.analysis.differences import ABSENT, Difference, Subject, alongside
from twofold.analysis.results import times_of
from twofold.report.text import (
    ENGINES,
    SPLITS,
    decimal,
    joined,
    loss_text,
    plural,
    quality_words,
    seconds,
    share,
    took,
    value_text,
)
from twofold.runs import Run

PLURALS = {
    "optimizer.lr": "learning rates",
    "optimizer.weight_decay": "weight decays",
    "optimizer.momentum": "momenta",
    "optimizer.max_norm": "largest norms of the gradient",
}
"""What the values of a key are called in a sentence."""


def heading(subject: Subject | None, names: Sequence[str]) -> str:
    """`Adam against SGD`; where nothing says it shortly, the names of the runs."""
    words = list(dict.fromkeys(subject.words)) if subject else [*names]
    if len(words) == 2:
        text = " against ".join(_short(words))
    else:
        text = joined(words)
    return text[0].upper() + text[1:]


def _short(words: Sequence[str]) -> list[str]:
    """Two texts, the first without the words that both end with: `2,000`, `50,000 training samples`."""
    first, second = (text.split() for text in words)
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[-1 - shared] == second[-1 - shared]:
        shared += 1
    return [" ".join(first[: len(first) - shared]), words[1]]


def lead(runs: Sequence[Run], names: Sequence[str], subject: Subject | None, differing: Sequence[Difference]) -> str:
    """What is compared, and what differs."""
    ours = [difference for difference in differing if not difference.idle]
    text = f"{len(runs)} runs, {joined([f'`{name}`' for name in names])}"
    if not same_task(runs):
        sources = list(dict.fromkeys(run.record.data.title or run.record.data.source for run in runs))
        where = joined(sources) if len(sources) > 1 else f"{sources[0]}, with other classes or lengths"
        return f"{text}, on different tasks: {where}. Their accuracies and losses are not measures of the same thing."
    if not ours:
        return f"{text}: every setting that changes what is trained is the same."
    if subject is None:
        return f"{text}. They differ in {plural(len(ours), 'setting')}: {_paths(ours)}."
    values = joined([f"`{name}` {_described(subject, word)}" for name, word in zip(names, subject.words, strict=True)])
    sentence = f"{text}: {values}."
    if also := alongside(subject, ours):
        sentence += f" Their {joined([_each_value(difference) for difference in also])} differ as well."
    besides = [difference for difference in ours if difference.aspect != subject.aspect]
    if not besides:
        return f"{sentence} Nothing else that changes what is trained differs."
    return (
        f"{sentence} They differ in {_paths(besides)} as well, so that a difference between them is not that of the "
        "one thing alone."
    )


def _each_value(difference: Difference) -> str:
    """`learning rates (0.1 and 0.001)`, run by run."""
    called = PLURALS.get(difference.path, f"values of `{difference.path}`")
    return f"{called} ({joined(['none' if value is ABSENT else value_text(value) for value in difference.values])})"


def _described(subject: Subject, word: str) -> str:
    verb = {"network": "has", "optimizer": "is trained with", "samples": "is trained on"}[subject.aspect]
    article = {"vanilla RNN": "a ", "LSTM": "an ", "GRU": "a ", "learning rate": "a "}
    begin = next((a for name, a in article.items() if word.startswith(name)), "")
    return f"{verb} {begin}{word}"


def _paths(differing: Sequence[Difference]) -> str:
    return joined([f"`{difference.path}`" for difference in differing])


def findings(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Which is better and by how much, over-fitting, speed, times; nothing that the numbers do not support."""
    if not same_task(runs):
        return []
    return [
        *_better(runs, names),
        *_gaps(runs, names),
        *_turning(runs, names),
        *_speed(runs, names),
        *_times(runs, names),
    ]


def _engines(runs: Sequence[Run]) -> list[str]:
    """The engines that finished in every run."""
    return [engine for engine in runs[0].engines if all(engine in run.engines for run in runs)]


def _merged(statements: Sequence[tuple[str, str]]) -> list[str]:
    """Sentences by engine, one for all engines of which it says the same."""
    engines_by_sentence: dict[str, list[str]] = {}
    for engine, sentence in statements:
        engines_by_sentence.setdefault(sentence, []).append(ENGINES[engine])
    return [
        f"In {'both engines' if len(who) > 1 else who[0]}, {sentence}" for sentence, who in engines_by_sentence.items()
    ]


def _better(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    statements = [
        (engine, better_sentence(pair, names, len(runs) - 1, SPLITS[runs[0].record.data.held_out]))
        for engine in _engines(runs)
        for pair in against_best(runs, engine)
    ]
    if not statements:
        if any(run.record.data.task != "classification" for run in runs):
            return []
        if len(_engines(runs)) == 0:
            return ["No engine finished in every run: their accuracies are not compared."]
        return [
            "The runs were not judged on the same held-out samples: their accuracies are those of different test sets, "
            "and no statement is made on which is better."
        ]
    return [
        *_merged(statements),
        "The standard error is that of the samples that the runs are judged on. Another seed would move the accuracies "
        "as well; `twofold study` with several seeds measures how far.",
    ]


def better_sentence(pair: Paired, names: Sequence[str], rivals: int, split: str) -> str:
    """The best run against another: the difference, its standard error, and whether chance alone could make it."""
    first, second = f"`{names[pair.first]}`", f"`{names[pair.second]}`"
    right, other, n = *pair.right, pair.samples
    counts = f"{first} gets {right:,} of {n:,} {split} samples right ({share(right / n)}) and {second} {other:,} "
    counts += f"({share(other / n)})"
    only = (
        f"{pair.only_first:,} samples only {first} gets right, {pair.only_second:,} only {second}; "
        f"McNemar’s exact p {p_text(pair.p)}"
    )
    if not pair.only_first + pair.only_second:
        return f"{counts}: they answer each of these samples alike, right or wrong."
    level = LEVEL / rivals
    shared = "" if rivals == 1 else f", {LEVEL:g} shared among {rivals} comparisons"
    if pair.p < level:
        return (
            f"{counts}: {first} is better by {pair.difference:.4f}, with a standard error of {pair.error:.4f} ({only}, "
            f"below {level:.3g}{shared})."
        )
    return (
        f"{counts}: a difference of {pair.difference:.4f} with a standard error of {pair.error:.4f}, which chance "
        f"alone may make ({only}, not below {level:.3g}{shared})."
    )


def p_text(p: float) -> str:
    """`= 0.15`, `< 10⁻¹²`."""
    return f"= {decimal(p, 2)}" if p >= 1e-12 else "< 10⁻¹²"


def _gaps(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Training against held-out accuracy, or R², run by run."""
    word = quality_words(runs)
    gaps_of_runs = [{gap.engine: gap for gap in gaps(run)} for run in runs]
    statements = []
    for engine in _engines(runs):
        ours = [gaps_of_run.get(engine) for gaps_of_run in gaps_of_runs]
        have = [gap for gap in ours if gap is not None]
        if len(have) < len(runs) or len({gap.split for gap in have}) > 1:
            continue
        ends = joined([_gap_text(gap, name) for gap, name in zip(have, names, strict=True)])
        statements.append((engine, f"training {word} minus {SPLITS[have[0].split]} {word} ends at {ends}."))
    return _merged(statements)


def _gap_text(gap: Gap, name: str) -> str:
    return f"{gap.size:+.4f} in `{name}`".replace("-0.", "−0.")


def _turning(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Where the held-out loss was lowest."""
    split, unit, curves_of_runs = common_splits(runs)[-1], common_unit(runs), all_curves(runs)
    if split == "train" or len({run.recipe.loss.kind for run in runs}) > 1:
        return []
    statements = []
    for engine in _engines(runs):
        ours = [_curve(own, engine, split) for own in curves_of_runs]
        lows = [lowest_loss(curve) for curve in ours if curve is not None]
        if len(lows) < len(runs) or any(low is None for low in lows):
            continue
        own = [
            f"{loss_text(low.loss)} at {unit} {low.at:,g} in `{name}`"
            + (", its end" if low.at == low.end else f", which ended at {loss_text(low.last)}")
            for low, name in zip(lows, names, strict=True)
            if low is not None
        ]
        statements.append((engine, f"the {SPLITS[split]} loss was lowest: {'; '.join(own)}."))
    return _merged(statements)


def _curve(own: Sequence[Curve], engine: str, split: str) -> Curve | None:
    return next((curve for curve in own if (curve.engine, curve.split) == (engine, split)), None)


def _speed(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """When each run first reached the training accuracy that all runs reach."""
    statements, unit, curves_of_runs = [], common_unit(runs), all_curves(runs)
    if len({run.record.data.quality for run in runs}) > 1:
        return []
    for engine in _engines(runs):
        if (level := reached(curves_of_runs, engine)) is None:
            continue
        quality, at = level
        reached_first = f"a training {quality_words(runs)} of {share(quality)}, the lowest end, was first reached by"
        arrivals = joined([f"`{names[arrival.run]}` at {unit} {arrival.at:,g}" for arrival in at])
        statements.append(
            (
                engine,
                f"{reached_first} {arrivals}.",
            )
        )
    return _merged(statements)


def _times(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    if not same_machine(runs):
        return ["The runs were not made on the same machine and devices: their times are not compared."]
    sentences = []
    for engine in _engines(runs):
        timed = times_of({name: run.record.engines[engine].seconds for name, run in zip(names, runs, strict=True)})
        if timed is None:
            continue
        every = {name: run.record.engines[engine].seconds for name, run in zip(names, runs, strict=True)}
        durations = joined([f"`{name}` {seconds(value)}" for name, value in every.items()])
        ratio = took(timed.ratio, f"`{timed.slower}`", f"`{timed.faster}`")
        sentences.append(f"In {ENGINES[engine]}, training took {durations}: {ratio}. Each was timed once.")
    return sentences


def against_sentence(runs: Sequence[Run], names: Sequence[str]) -> str:
    """What the curves are drawn against, and why."""
    unit = common_unit(runs)
    why = "every recipe counts its training in them" if unit == "epoch" else "not every recipe counts in epochs"
    if unit == "step" and all(run.recipe.training.steps for run in runs):
        why = "every recipe counts its training in them"
    text = f"Against {unit}s, because {why}."
    per = [epoch_steps(run) for run in runs]
    if unit == "epoch" and len(set(per)) > 1:
        own = joined([f"{plural(steps, 'step')} in `{name}`" for steps, name in zip(per, names, strict=True)])
        text += f" An epoch is {own}."
    ends = [max((curve.x[-1] for curve in own), default=0.0) for own in all_curves(runs)]
    if len(set(ends)) > 1:
        text += " The runs are not of one length: each curve ends where its run does."
    return text
