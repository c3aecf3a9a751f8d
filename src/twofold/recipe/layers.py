"""Every kind of layer that a recipe may name: the families, put together.

A kind stands in the module of its family, with all that it answers about itself (`twofold.recipe.layer`). Its
arithmetic stands in `numpy_engine` and, a second time, in `torch_engine`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from twofold.recipe.activations import Activation
from twofold.recipe.dense import Dense, Dropout, EmbedColumns, Embedding, Flatten
from twofold.recipe.norms import Norm
from twofold.recipe.pooling import Pooling
from twofold.recipe.recurrent import Recurrence
from twofold.recipe.windows import Conv2d

Layer: TypeAlias = Annotated[
    Dense | Conv2d | Pooling | Norm | Recurrence | Embedding | EmbedColumns | Activation | Dropout | Flatten,
    Field(discriminator="kind"),
]
