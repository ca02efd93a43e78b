"""Builds the package: libevlog.a with make, and the extension module that contains it with cffi."""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
# The sources of the library: beside the package in a checkout, in c/ in a source distribution.
ROOT = HERE / "c" if (HERE / "c").exists() else HERE.parents[1]
LIBRARY = [
    "Makefile",
    "LICENSE",
    "store",
    "dispatch",
    "replay",
    "tests/tests.mk",
    "tools/packaging",
]


class SourcesWithLibrary(sdist):
    """A source distribution that holds the library's sources too."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        for name in LIBRARY:
            to = Path(base_dir) / "c" / name
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, to)


class BuildWithLibrary(build_ext):
    """Makes libevlog.a before the extension module is linked with it.

    EVLOG_BUILD names a build directory of evlog that has it already.
    """

    def run(self):
        made = os.environ.get("EVLOG_BUILD")
        build = Path(made) if made else self.make_library()
        for extension in self.extensions:
            extension.extra_objects.append(str(build / "libevlog.a"))
            extension.include_dirs.append(str(build / "include"))
        super().run()

    def make_library(self):
        if not (ROOT / "store" / "evlog.h").exists():
            raise SystemExit(
                f"the sources of evlog are not in {ROOT}: build the package in a checkout"
            )
        build = Path(self.build_temp).resolve() / "evlog"
        jobs = f"-j{os.cpu_count() or 1}"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MAKE")
        }
        subprocess.run(
            ["make", "-s", jobs, "-C", str(ROOT), f"B={build}", f"{build}/libevlog.a"],
            check=True,
            env=environment,
        )
        return build


def check_packages():
    """What the build needs and the machine does not have is said in a sentence."""
    script = ROOT / "tools" / "packaging" / "deps.sh"
    check = ["sh", script, "check", "lmdb", "msgpack", "libxxhash"]
    if script.exists() and subprocess.run(check).returncode:
        raise SystemExit(1)


check_packages()
setup(
    cffi_modules=["binding/build.py:ffi"],
    cmdclass={"build_ext": BuildWithLibrary, "sdist": SourcesWithLibrary},
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
