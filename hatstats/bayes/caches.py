"""A folder that PyTensor can write what it compiles to."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

_FLAG = re.compile(r"(?:^|,)\s*base_compiledir\s*=([^,]*)")


def ensure_compile_folder() -> None:
    """Give PyTensor a temporary folder where it cannot write its own, in a read-only home for one.

    It reads its flags when it is imported, and stops there if the folder cannot be made.
    """
    if "pytensor" in sys.modules or sys.platform == "win32":
        return
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    named = _FLAG.search(flags)
    try:
        folder = Path(named[1].strip() if named else "~/.pytensor").expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except (OSError, RuntimeError):  # the second: there is no home
        own = tempfile.mkdtemp(prefix="pytensor-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        kept = _FLAG.sub("", flags)
        os.environ["PYTENSOR_FLAGS"] = f"{kept},base_compiledir={own}".lstrip(",")
