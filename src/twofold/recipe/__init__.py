"""Recipes: frozen data that says everything about a run."""

from twofold.recipe.base import Shape
from twofold.recipe.files import dump, load_recipe, loads, titles
from twofold.recipe.model import Model
from twofold.recipe.network import Network, Node, shape_text
from twofold.recipe.recipe import Recipe

__all__ = ["Model", "Network", "Node", "Recipe", "Shape", "dump", "load_recipe", "loads", "shape_text", "titles"]
