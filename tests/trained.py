"""Small trained runs of every kind of data, for what is done with a trained network."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

import twofold

DENSE = '{ kind = "dense", units = 8 }, { kind = "relu" }, { kind = "dense", units = 3 }'
FLOWERS = f"""
layers = [{DENSE}]
[data]
source = "csv"
path = "flowers.csv"
label = "species"
[optimizer]
kind = "adam"
lr = 0.05
[training]
epochs = 20
"""
PHOTOS = """
layers = [{ kind = "flatten" }, { kind = "dense", units = 2 }]
[data]
source = "images"
path = "photos"
size = [6, 8]
standardize = "channel"
[training]
epochs = 3
"""


def flowers(folder: Path) -> twofold.Run:
    """Two features of very different size, three classes."""
    rows = [f"{1000 + 100 * (i % 3) + i % 7},{i % 3 - i % 5 / 10},{'abc'[i % 3]}\n" for i in range(90)]
    (folder / "flowers.csv").write_text("length,width,species\n" + "".join(rows))
    (folder / "flowers.toml").write_text(FLOWERS)
    return twofold.run(folder / "flowers.toml", out=folder / "flowers")


def photos(folder: Path) -> twofold.Run:
    """Red and blue pictures of several sizes."""
    for i in range(24):
        place = folder / "photos" / ("train", "test")[i % 3 == 0] / ("blue", "red")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + i, 30), ((20 + i, 0, 200), (200, 20 + i, 0))[i % 2]).save(place / f"{i}.png")
    (folder / "photos.toml").write_text(PHOTOS)
    return twofold.run(folder / "photos.toml", out=folder / "photos-run")


def palindromes(folder: Path) -> twofold.Run:
    """Two steps: what it answers is no matter."""
    return twofold.run("palindrome", overrides={"training.steps": 2}, out=folder / "palindrome")


def digits(folder: Path) -> twofold.Run:
    """The NumPy engine alone, enough to know a one."""
    return twofold.run("digits", overrides={"training.epochs": 5}, engines="numpy", out=folder / "digits")


def drawing(paper: int | str = "white", ink: int | str = "black", mode: str = "L") -> Image.Image:
    """A one, drawn large and out of the middle, as by a user."""
    image = Image.new(mode, (300, 400), paper)
    ImageDraw.Draw(image).line((80, 60, 80, 260), fill=ink, width=30)
    return image
