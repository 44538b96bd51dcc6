"""The library as archives and as a shared object, for users who do not build with Bazel."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _objects(deps):
    """The position-independent objects of this repository's libraries that deps need, each once."""
    objects = {}
    for dep in deps:
        for link in dep[CcInfo].linking_context.linker_inputs.to_list():
            for library in link.libraries:
                for object in library.pic_objects:
                    objects[object.path] = object
    return objects.values()

def _cc_archive_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    objects = _objects(ctx.attr.deps)
    # Members of an archive may have the same name, but a user who unpacks it would lose one. So each has the name of its
    # path, "netdiag_socket_ulp.o".
    members = []
    for object in objects:
        path = object.short_path.replace("_objs/", "").replace(".pic.o", ".o")
        member = ctx.actions.declare_file("%s_members/%s" % (ctx.label.name, path.replace("../", "").replace("/", "_")))
        ctx.actions.symlink(output = member, target_file = object)
        members.append(member)
    ctx.actions.run(
        outputs = [ctx.outputs.out],
        inputs = depset(members, transitive = [toolchain.all_files]),
        executable = toolchain.ar_executable,
        arguments = [ctx.actions.args().add("rcsD").add(ctx.outputs.out).add_all(members)],
        mnemonic = "CcArchive",
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.out]),
        runfiles = ctx.runfiles(files = [ctx.outputs.out]),
    )]

cc_archive = rule(
    implementation = _cc_archive_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo], doc = "cc_library targets; what they need is taken too."),
        "out": attr.output(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    doc = "An archive of position-independent objects. Libraries of the system have no objects here, so they stay outside.",
)

# Where a cross compiler finds the libraries of the other system.
def _root_flags(toolchain):
    return ["--sysroot=" + toolchain.sysroot] if toolchain.sysroot else []

# The flags with which deps link libraries of the system, in their order.
def _system_flags(deps):
    flags = []
    for dep in deps:
        for link in dep[CcInfo].linking_context.linker_inputs.to_list():
            flags += link.user_link_flags
    return flags

# Debian's archives of Abseil are not position-independent, so a shared object needs the shared ones.
def _shared_flag(flag):
    return "-l" + flag[len("-l:lib"):-len(".a")] if flag.startswith("-l:lib") and flag.endswith(".a") else flag

def _c_shared_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    objects = _objects(ctx.attr.deps)
    link = ctx.actions.args().add_all(_root_flags(toolchain))
    link.add_all(["-shared", "-o", ctx.outputs.out, "-Wl,-soname," + ctx.attr.soname])
    link.add(ctx.file.symbols, format = "-Wl,--version-script,%s")
    link.add_all(["-Wl,--exclude-libs,ALL", "-Wl,--no-undefined", "-Wl,--as-needed"])
    link.add_all(["-Wl,-z,text", "-Wl,-z,relro", "-Wl,-z,now"])
    link.add_all(objects).add_all([_shared_flag(flag) for flag in _system_flags(ctx.attr.deps)]).add_all(["-lstdc++", "-lm"])
    ctx.actions.run(
        outputs = [ctx.outputs.out],
        inputs = depset(objects + [ctx.file.symbols], transitive = [toolchain.all_files]),
        executable = toolchain.compiler_executable,
        arguments = [link],
        mnemonic = "CSharedLink",
        use_default_shell_env = True,
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.out]),
        runfiles = ctx.runfiles(files = [ctx.outputs.out]),
    )]

c_shared = rule(
    implementation = _c_shared_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo], doc = "cc_library targets; what they need is taken too."),
        "out": attr.output(mandatory = True),
        "soname": attr.string(mandatory = True),
        "symbols": attr.label(allow_single_file = True, doc = "The version script."),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    doc = "A shared object of the libraries, which shows only the symbols of the version script.",
)

def _c_archive_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    whole = ctx.actions.declare_file(ctx.label.name + "_members/netdiag.o")
    objects = _objects(ctx.attr.deps)
    link = ctx.actions.args().add_all(_root_flags(toolchain))
    link.add_all(["-r", "-nostdlib", "-Wl,--force-group-allocation"]).add("-o", whole)
    link.add_all(objects)
    link.add_all([flag for flag in _system_flags(ctx.attr.deps) if flag.startswith("-l:") or flag.endswith("-group")])
    ctx.actions.run_shell(
        outputs = [whole],
        inputs = depset(objects + [ctx.file.symbols], transitive = [toolchain.all_files]),
        # The names of the version script stay global.
        command = """set -e
out=$1 symbols=$2 compiler=$3 objcopy=$4; shift 4
"$compiler" "$@"
awk '/^ *netdiag_[a-z_]+;$/ { gsub(/[ ;]/, ""); print }' "$symbols" >"$out.names"
"$objcopy" --keep-global-symbols="$out.names" "$out"
rm "$out.names"
""",
        arguments = [ctx.actions.args().add_all([whole, ctx.file.symbols]).add(toolchain.compiler_executable).add(toolchain.objcopy_executable), link],
        mnemonic = "CArchiveLink",
        use_default_shell_env = True,
    )
    ctx.actions.run(
        outputs = [ctx.outputs.out],
        inputs = depset([whole], transitive = [toolchain.all_files]),
        executable = toolchain.ar_executable,
        arguments = [ctx.actions.args().add("rcsD").add(ctx.outputs.out).add(whole)],
        mnemonic = "CcArchive",
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.out]),
        runfiles = ctx.runfiles(files = [ctx.outputs.out]),
    )]

c_archive = rule(
    implementation = _c_archive_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo], doc = "cc_library targets; what they need is taken too."),
        "out": attr.output(mandatory = True),
        "symbols": attr.label(allow_single_file = True, doc = "The version script that lists the symbols."),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
    doc = "An archive of one object that has the libraries and what they need of archives of the system, Abseil. Only the " +
          "symbols of a version script can be linked to, so another Abseil in the program does no harm.",
)
