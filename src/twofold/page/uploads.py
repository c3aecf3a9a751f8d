"""What is uploaded to the page: a table or images, stored under names of our own.

An uploaded name cannot choose where a file goes: a table is stored as `STEM-DIGEST.csv`, an image by its token in the
folder of its class. Whether a file is an image is read from its first bytes.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import secrets
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO, final

from twofold.errors import UserError
from twofold.memory import size_text
from twofold.printable import printable

MOST_TABLE = 64 << 20
MOST_ARCHIVE = 256 << 20
MOST_IMAGE = 32 << 20
MOST_UNPACKED = 512 << 20
"""Bytes of all images of an upload."""
MOST_RATIO = 100
"""Times its packed size that an archive may unpack to: images hardly pack at all, so more is no archive of them."""
MOST_FILES = 20_000
MOST_FOLDERS = 16
"""Folders of images that are being uploaded at once."""
MOST_CLASS = 100
"""Characters of a class's name."""
PARTS = ("train", "test", "validation", "val", "valid")
IGNORED = ("__macosx", "thumbs.db", "desktop.ini")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".webp")
MAGIC = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"GIF8": ".gif",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"P5": ".pgm",
    b"P6": ".ppm",
    b"RIFF": ".webp",
}
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""Errors of an archive whose packed bytes are not what they should be."""


def stem_of(name: str) -> str:
    """A safe name made of a file's, without ending: ASCII letters, digits and dashes, `table` where none are left."""
    plain = unicodedata.normalize("NFKD", name.rpartition(".")[0] or name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:40] or "table"


def ending_of(content: bytes) -> str | None:
    """The ending of an image's format, by its first bytes; `None` for anything else."""
    kind = next((ending for magic, ending in MAGIC.items() if content.startswith(magic)), None)
    return None if kind == ".webp" and content[8:12] != b"WEBP" else kind


def told(name: str) -> str:
    """A name made safe for a message: control characters as codes, 200 characters at most."""
    return printable(name)[:200]


@final
class Uploads:
    """The folder of uploads, made when something comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open = dict[str, Folder]()

    def table(self, name: str, content: bytes) -> Path:
        """Store a table. Raises `UserError` for an empty one."""
        if not content.strip():
            raise UserError(f"{told(name)} is empty")
        digest = hashlib.sha256(content).hexdigest()[:8]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = (self.folder / f"{stem_of(name)}-{digest}.csv").resolve()
        path.write_bytes(content)
        return path

    def archive(self, name: str, archive: BinaryIO, size: int) -> Folder:
        """Take the images out of a zip archive. Raises `UserError` where it is none, or holds what is refused."""
        folder = Folder(self._new(name))
        try:
            with zipfile.ZipFile(archive) as opened:
                _check(opened, size)
                for member in opened.infolist():
                    if not member.is_dir():
                        with opened.open(member) as file:
                            folder.add(member.filename, file.read(MOST_IMAGE + 1))
        except (*DAMAGED, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            folder.discard()
            raise UserError(f"{told(name)} is no zip archive that can be read: {told(str(error))}") from error
        except BaseException:
            folder.discard()
            raise
        return folder

    def begin(self, name: str) -> str:
        """Begin a folder whose files come one by one; gives the token by which they name it.

        Where MOST_FOLDERS are open already, the oldest is removed.
        """
        if len(self._open) >= MOST_FOLDERS:
            self._open.pop(next(iter(self._open))).discard()
        token = secrets.token_urlsafe(12)
        self._open[token] = Folder(self._new(name))
        return token

    def opened(self, token: str) -> Folder:
        """The folder of that token. Raises `UserError` where there is none."""
        if token not in self._open:
            raise UserError("there is no such upload; begin it again")
        return self._open[token]

    def ended(self, token: str) -> Folder:
        """End the folder of that token: nothing more comes. Raises `UserError` where there is none."""
        folder = self.opened(token)
        del self._open[token]
        return folder

    def close(self) -> None:
        """Remove what was begun and never ended."""
        for folder in self._open.values():
            folder.discard()

    def _new(self, name: str) -> Path:
        path = (self.folder / f"{stem_of(name)}-{secrets.token_hex(4)}").resolve()
        path.mkdir(parents=True)
        return path


def _check(archive: zipfile.ZipFile, packed: int) -> None:
    """Raises `UserError` for an archive whose directory shows that it is refused: size, count, links, encryption."""
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise UserError(f"the archive holds {len(members):,} files; at most {MOST_FILES:,} are taken")
    total = sum(member.file_size for member in members)
    if total > MOST_UNPACKED or (total > 1 << 20 and total > MOST_RATIO * packed):
        raise UserError(
            f"the archive unpacks to {size_text(total)}: at most {size_text(MOST_UNPACKED)} are taken, and at most "
            f"{MOST_RATIO} times its own size"
        )
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{told(member.filename)} in the archive is a link or a device; only files are taken")
        if member.flag_bits & 1:
            raise UserError(f"{told(member.filename)} in the archive is encrypted; only plain files are taken")


@final
class Folder:
    """Images as they come, each into the folder of its class."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        """Files without the ending of an image."""
        self._bytes = 0
        self._classes = Counter[tuple[str, str]]()

    def add(self, name: str, content: bytes) -> None:
        """One file by its path in the folder. Raises `UserError` where it is not what its name promises."""
        parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
        if any(part.lower() in IGNORED or (part.startswith(".") and part != "..") for part in parts):
            return
        if not parts or not parts[-1].lower().endswith(ENDINGS):
            self.skipped += 1
            return
        ending = ending_of(content)
        if ending is None:
            raise UserError(
                f"{told(name)} is called an image and is none: its first bytes are of no format that is taken"
            )
        if len(content) > MOST_IMAGE or self._bytes + len(content) > MOST_UNPACKED:
            raise UserError(
                f"{told(name)}: an image holds at most {size_text(MOST_IMAGE)}, all of them {size_text(MOST_UNPACKED)}"
            )
        part, label = _place(name, parts)
        count = self._classes[part, label]
        if self._classes.total() >= MOST_FILES:
            raise UserError(f"at most {MOST_FILES:,} images are taken")
        place = self.path / part / label
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{count:06d}{ending}").write_bytes(content)
        self._classes[part, label] += 1
        self._bytes += len(content)

    def facts(self) -> dict[str, object]:
        """Counts of what came. Raises `UserError` with fewer than two classes to train on, and removes the folder."""
        train = {label: count for (part, label), count in self._classes.items() if part == "train"}
        if len(train) < 2:
            self.discard()
            raise UserError(
                "a folder of images holds one folder a class, two at least: CLASS/FILE.png, or train/CLASS/FILE.png "
                f"and test/CLASS/FILE.png; this one has {len(train)}"
            )
        counts = {"classes": train, "images": self._classes.total(), "skipped": self.skipped}
        return {**counts, "parts": sorted({part for part, _ in self._classes})}

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def _place(name: str, parts: list[str]) -> tuple[str, str]:
    """Part and class of a file: `train/CLASS/FILE` or `CLASS/FILE`, possibly below further folders."""
    if len(parts) < 2:
        raise UserError(f"{told(name)} lies in no folder of a class")
    label = unicodedata.normalize("NFC", parts[-2])
    above = parts[-3].lower() if len(parts) > 2 else ""
    if label in (".", "..") or ".." in parts or len(label) > MOST_CLASS or not label.isprintable():
        raise UserError(f"{told(name)}: `{told(label)}` is no name of a class")
    if label.lower() in PARTS:
        raise UserError(f"{told(name)} lies in no folder of a class")
    return (above if above in PARTS else "train"), label
