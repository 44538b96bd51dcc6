"""Rules for tests and benchmarks. They add what every test, or every benchmark, has in common."""

def netdiag_test(name, srcs = None, deps = [], size = "medium", live = False, tags = [], **kwargs):
    """A GoogleTest program with the main() of //tests/testing:main.

    Args:
      name: name of the target.
      srcs: sources; [name + ".cc"] if absent.
      deps: dependencies beside GoogleTest and :main.
      size: Bazel's size of the test. It sets the timeout, which a busy machine must not reach: 5 minutes by default.
      live: True if the test asks the running kernel about sockets or processes. Such a test needs root and must not run
        in a sandbox or on another machine. `tools/dev vm` runs it on other kernels.
      tags: further tags. tools/dev reads these: "tsan" (also runs under ThreadSanitizer), "opt" (also runs as users build
        it), "noasan" (does not run under AddressSanitizer), "long" (runs with --long only), "novm" (does not run on other
        kernels: it needs programs that the guests do not have).
      **kwargs: passed to cc_test.
    """
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs or [name + ".cc"],
        tags = (["live", "local"] if live else []) + tags,
        deps = deps + [
            "//tests/testing:main",
            "//third_party:gtest",
        ],
        **kwargs
    )

def netdiag_bench(name, deps = [], **kwargs):
    """A benchmark that `tools/dev bench` runs; NAME_bench is built from NAME_bench.cc and :bench.

    Args:
      name: name of the target, which ends in "_bench".
      deps: dependencies beside :bench.
      **kwargs: passed to cc_binary.
    """
    native.cc_binary(
        name = name,
        srcs = [name + ".cc"],
        deps = [":bench"] + deps,
        **kwargs
    )

def test_sources():
    """The sources of a package's tests, for docs_test: it checks that the tests which the documents name exist."""
    native.filegroup(
        name = "sources",
        testonly = True,
        srcs = native.glob(["*_test.cc"]),
        visibility = ["//tests:__pkg__"],
    )
