"""Uploaded files: taken within limits, stored, and answered by what they hold."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import final

from starlette.requests import Request

from twofold.page.guard import file_body
from twofold.page.previews import images_preview, table_preview
from twofold.page.uploads import MOST_ARCHIVE, MOST_IMAGE, MOST_TABLE, Uploads
from twofold.plain import Parsed


@final
class Intake:
    """The addresses of uploads. Reading and storing happens in a thread: events go on meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._uploads = Uploads(folder)

    async def table(self, request: Request) -> dict[str, object]:
        """Store a table; answers where it is, its columns with examples, and the column that is probably the class."""
        content = await file_body(request, MOST_TABLE)
        path = self._uploads.table(_named(request), content)
        return await asyncio.to_thread(table_preview, path)

    async def archive(self, request: Request) -> dict[str, object]:
        """Unpack a zip archive of images; answers its classes and their counts."""
        content = await file_body(request, MOST_ARCHIVE)
        return await asyncio.to_thread(self._unpacked, _named(request), content)

    def _unpacked(self, name: str, content: bytes) -> dict[str, object]:
        return images_preview(self._uploads.archive(name, io.BytesIO(content), len(content)))

    async def begin_folder(self, body: dict[str, Parsed]) -> dict[str, object]:
        """Begin a folder of images whose files come one by one; answers the token of the folder."""
        return {"folder": self._uploads.begin(str(body.get("name", ""))[:200])}

    async def image(self, request: Request) -> dict[str, object]:
        """Store one file of a folder that was begun, by its path in the folder."""
        folder = self._uploads.opened(request.query_params.get("folder", ""))
        content = await file_body(request, MOST_IMAGE)
        await asyncio.to_thread(folder.add, request.query_params.get("path", "")[:1000], content)
        return {}

    async def end_folder(self, body: dict[str, Parsed]) -> dict[str, object]:
        """End a folder, all of whose files have come; answers its classes and their counts."""
        return await asyncio.to_thread(images_preview, self._uploads.ended(str(body.get("folder"))))

    def close(self) -> None:
        """Remove what was begun and never ended."""
        self._uploads.close()


def _named(request: Request) -> str:
    """The name of a file that comes: it is shown, and decides nothing."""
    return request.query_params.get("name", "")[:200] or "upload"
