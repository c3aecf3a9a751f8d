"""Every command's help has an example, and the example is a command that can be given."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from twofold.cli.main import app

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
each_command = pytest.mark.parametrize("name", COMMANDS)


def examples(name: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"`(twofold [^`]+)`", COMMANDS[name].epilog or "")]


@each_command
def test_the_help_of_a_command_has_an_example_of_it(name: str) -> None:
    assert examples(name), f"give `{name}` an epilog: Example: `twofold {name} ...`"
    for words in examples(name):
        assert words[1] == name


@each_command
def test_an_example_is_read_to_its_last_word(name: str) -> None:
    """Parsed as the command would be, and not run: an unknown option, a missing or a wrong value is an error here."""
    for words in examples(name):
        context = COMMANDS[name].make_context(name, words[2:])
        assert not context.args


@each_command
def test_a_recipe_and_the_keys_of_an_example_exist(name: str) -> None:
    from twofold.recipe import load_recipe, titles
    from twofold.study import load_study

    for words in examples(name):
        params = COMMANDS[name].make_context(name, words[2:]).params
        settings = params.get("settings") or ()
        if (recipe := params.get("recipe")) in titles():
            load_recipe(recipe, settings)
        elif "source" in params and "axes" in params:
            assert load_study(params["source"], axes=params["axes"], seeds=params["seeds"], overrides=settings)


@each_command
def test_the_help_shows_the_example(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], terminal_width=200, env={"COLUMNS": "200"}).output
    text = " ".join(shown.split())
    for words in examples(name):
        assert shlex.join(words) in text or " ".join(words) in text


SEVERAL = [name for name in COMMANDS if len(examples(name)) > 1]


@pytest.mark.parametrize("name", SEVERAL)
def test_each_of_several_examples_can_be_pasted(name: str) -> None:
    """It stands alone on a line, that of a terminal of the usual width."""
    shown = CliRunner().invoke(app, [name, "--help"], terminal_width=80, env={"COLUMNS": "80"}).output
    lines = [line.strip() for line in shown.splitlines()]
    for words in examples(name):
        assert shlex.join(words) in lines


def test_every_option_says_what_it_does() -> None:
    for name, command in COMMANDS.items():
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"
