"""What every package of the library declares."""

def library_headers():
    """The headers of a package and its BUILD file, which //tests:public_headers_test reads."""
    native.filegroup(
        name = "headers",
        testonly = True,
        srcs = native.glob(["*.h"]) + ["BUILD"],
        visibility = [
            "//netdiag:__pkg__",
            "//tests:__pkg__",
        ],
    )
