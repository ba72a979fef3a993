"""Build hook: compiles the extension modules, where there is a compiler.

Without one, or with BENCHROUTE_PURE_PYTHON set, the package is the same without them: each has a form in Python that
does the same. One wheel serves all versions of Python (https://docs.python.org/3/c-api/stable.html).
"""

import contextlib
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = {"gateway.http._json_members": "gateway/http/_json_members.c"}
OLDEST = "0x030B0000"
"""The oldest version of Python whose stable interface is used: `requires-python`."""


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles in place, so that an editable installation has the modules too."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for a wheel, or an editable installation."""
        if self.target_name != "wheel" or os.environ.get("BENCHROUTE_PURE_PYTHON"):
            return
        made = compile_modules(Path(self.root))
        if made:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"
            build_data["artifacts"] += [path.as_posix() for path in made]


def compile_modules(root: Path) -> list[Path]:
    """Compile every module beside its source. Return those that could be compiled, relative to root."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    extensions = [
        Extension(
            name,
            [source],
            define_macros=[("Py_LIMITED_API", OLDEST)],
            extra_compile_args=[] if sys.platform == "win32" else ["-O2", "-std=c11"],
            py_limited_api=True,
            optional=True,
        )
        for name, source in SOURCES.items()
    ]
    command = build_ext(Distribution({"name": "benchroute", "ext_modules": extensions}))
    command.inplace = True
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(root):
        command.build_temp = command.build_lib = folder
        command.ensure_finalized()
        paths = [Path(command.get_ext_fullpath(one.name)).relative_to(root) for one in extensions]
        for path in paths:
            path.unlink(missing_ok=True)  # of another version, where this one cannot be compiled
        command.run()
        return [path for path in paths if path.exists()]
