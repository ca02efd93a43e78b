"""What cffi compiles: the declarations in api.h, with the C in flat.c beside evlog.h."""

import subprocess
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent


def libraries():
    """The linker's arguments for what libevlog.a itself uses."""

    def pkg_config(*arguments):
        return subprocess.run(
            ["pkg-config", *arguments], check=True, capture_output=True, text=True
        ).stdout.split()

    has_new_name = subprocess.run(["pkg-config", "--exists", "msgpack-c"]).returncode == 0
    return pkg_config("--libs", "lmdb", "msgpack-c" if has_new_name else "msgpack", "libxxhash")


ffi = FFI()
ffi.cdef((HERE / "api.h").read_text())
ffi.set_source(
    "evlog._evlog",
    (HERE / "flat.c").read_text(),
    # Another copy of evlog in the process (a plugin's, a second package's) is never mixed with this one.
    extra_link_args=["-Wl,--exclude-libs,ALL", *libraries(), "-pthread"],
    extra_compile_args=["-std=gnu11"],
)
