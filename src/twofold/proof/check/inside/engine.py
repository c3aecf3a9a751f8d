"""The process of a user's whole engine: `python -m twofold.proof.check.inside.engine IN OUT`, in its own folder."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import numpy as np

from twofold.engine import Batch, State, Step
from twofold.proof.check.inside.__main__ import limit
from twofold.proof.check.inside.call import BindingError, call
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.load import LoadingError, find, load, told
from twofold.proof.check.inside.theirs import Theirs, Values
from twofold.proof.check.remote import flat, read_message, state_from, under, write_message
from twofold.recipe import Recipe, loads

MEMBERS = ("load", "state", "step")
NAMES = {
    "recipe": "recipe config cfg settings",
    "model": "model network net architecture",
    "optimizer": "optimizer optim opt",
    "training": "training train options",
}


def built(thing: Theirs, recipe: Recipe) -> Theirs:
    """The user's engine: an object itself; a class or function is called with the parts of the recipe it asks for."""
    if not inspect.isclass(thing) and not inspect.isroutine(thing):
        return thing
    values = {"recipe": recipe, "model": recipe.model, "optimizer": recipe.optimizer, "training": recipe.training}
    return call(thing, values, NAMES, ["recipe"])


def answer(engine: Theirs, message: Values, arrays: Values) -> tuple[Values, Values]:
    """The engine's answer to one message: plain values, and arrays."""
    match message["call"]:
        case "load":
            engine.load(state_from(arrays, message["updates"]))
            return {}, {}
        case "state":
            state: State = engine.state()
            return {"updates": state.updates}, flat(state)
    masks, beside = under("masks", arrays), {name: arrays.get(name) for name in ("weight", "radius")}
    batch = Batch(arrays["x"], arrays["target"], message["lr"], masks, message["step"], message["ema"], **beside)
    step: Step = engine.step(batch)
    held = {f"outputs/{name}": np.asarray(y) for name, y in step.outputs.items()}
    held |= {f"gradients/{name}": np.asarray(g) for name, g in step.gradients.items()}
    return {"loss": float(step.loss), "outputs": list(step.outputs), "updates": step.state.updates}, held | flat(
        step.state
    )


def main(back: int, to: int) -> None:
    """Load the file, build the engine, and answer until the other side is gone."""
    work = json.loads(Path("job.json").read_text("utf-8"))
    limit(Job(work))
    path = Path(work["file"])
    try:
        engine = built(find(load(path), work["object"], "engine"), loads(work["recipe"], "the recipe"))
        missing = [name for name in MEMBERS if not callable(getattr(engine, name, None))]
        if missing:
            raise LoadingError(f"an engine has `load`, `state` and `step`; this one lacks `{missing[0]}`")
    except (LoadingError, BindingError) as error:
        write_message(to, {"cannot": str(error)}, {})
        return
    except BaseException as error:
        write_message(to, {"cannot": f"the engine cannot be built: {told(error, path)}"}, {})
        return
    write_message(to, {"ready": True}, {})
    while (message := read_message(back)) is not None:
        try:
            reply, arrays = answer(engine, *message)
        except BaseException as error:
            reply, arrays = {"error": told(error, path)}, {}
        write_message(to, reply, arrays)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
