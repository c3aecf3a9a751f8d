"""The held-out images that are most confidently taken for another class."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.analysis import WrongImage, WrongImages, wrong_images
from twofold.report.drawing import Note, Panel, Picture
from twofold.report.images import draw_image, grey_scale
from twofold.report.text import ENGINES, SPLITS, joined, of_data
from twofold.runs import Run

WRONG_INCHES = 1.2


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure for engines that make the same mistakes, else one for each; none without images or mistakes."""
    data = run.record.data
    split, grey = data.held_out, grey_scale(run)
    return [
        wrong_picture(wrong, data.classes, grey, wrong_caption(wrong, split, data.samples[split], of_data(run)))
        for wrong in wrong_images(run)
    ]


def wrong_picture(wrong: WrongImages, classes: Sequence[str], grey: str, caption: str) -> Picture:
    """The images most confidently wrong, each with the two classes in question."""
    who = joined([ENGINES[engine] for engine in wrong.engines])
    panels = tuple(_wrong_card(image, who, classes, grey) for image in wrong.images)
    return Picture(f"most-wrong-{'-'.join(wrong.engines)}", panels, caption, form="small")


def wrong_caption(wrong: WrongImages, split: str, samples: int, of: str = "") -> str:
    """How many of how many, what the numbers are, and how sure the engine was."""
    count, first = len(wrong.images), ENGINES[wrong.engines[0]]
    which = f"The {count} of {wrong.wrong:,}" if count < wrong.wrong else f"All {count}" if count > 1 else "The one"
    who, where = (f"{first} gets", "") if len(wrong.engines) == 1 else ("both engines get", f" in {first}")
    low, high = (value(image.value_taken for image in wrong.images) for value in (min, max))
    sure = f"{low:.3f} to {high:.3f}" if count > 1 else f"{high:.3f}"
    return (
        f"{which} of {samples:,} {SPLITS[split]} images{of} that {who} wrong, the surest mistake first, with the "
        f"{wrong.measure}{where} of the true class (✓) and of the one that it is taken for (✗, {sure}). The number is "
        f"the image’s place among the {SPLITS[split]} images, from 0."
    )


def _wrong_card(image: WrongImage, who: str, classes: Sequence[str], grey: str) -> Panel:
    true, taken = classes[image.true], classes[image.taken]
    notes = (
        Note("", true, f"{image.value_true:.3f}", True),
        Note("", taken, f"{image.value_taken:.3f}", False),
        Note("number", "", f"{image.index:,}"),
    )
    label = f"Image {image.index} of class {true}, taken for {taken} in {who}"
    return Panel(label, WRONG_INCHES, WRONG_INCHES, lambda f: draw_image(f.subplots(), image.image, grey), notes=notes)
