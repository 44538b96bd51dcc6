"""The repository of --config=arm64: a toolchain of Debian's cross compiler and the root that tools/arm64/run.sh makes."""

def _arm64_toolchain_impl(ctx):
    home = ctx.os.environ.get("XDG_CACHE_HOME") or ctx.os.environ.get("HOME", "") + "/.cache"
    root = ctx.path(home + "/netdiag/arm64/root")
    if not root.exists:
        fail("there is no %s; `tools/dev arm64` makes it" % root)
    template = ctx.path(ctx.attr._template)
    compiler = template.dirname.dirname.get_child("pch").get_child("aarch64-linux-gnu-gcc")
    ctx.template("BUILD", template, {"@root@": str(root), "@gcc@": str(compiler)})

arm64_toolchain = repository_rule(
    implementation = _arm64_toolchain_impl,
    attrs = {"_template": attr.label(default = "//tools/arm64:toolchain.BUILD")},
    environ = ["HOME", "XDG_CACHE_HOME"],
    local = True,
)
