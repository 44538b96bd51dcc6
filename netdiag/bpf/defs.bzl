"""The rule that compiles BPF programs."""

def bpf_program(name, srcs = [], format = None):
    """Compiles NAME.bpf.c and makes NAME.inc: for each program in it a constant of the type bpf::Loader (loader.h).

    Args:
      name: of the program.
      srcs: files that it includes, besides its format and program.h.
      format: the header that the program and its reader share. Default: NAME_format.h.
    """
    program = Label("//netdiag/bpf:program.h")
    native.genrule(
        name = name + "_loaders",
        srcs = [
            name + ".bpf.c",
            format or name + "_format.h",
            program,
        ] + srcs,
        outs = [name + ".inc"],
        tools = [Label("//tools/bpf:make_loader")],
        # The includes begin at the root of this repository, which is not ".", if another workspace uses it. The directory of
        # the build is not in the output, so that two builds give the same programs.
        cmd = " && ".join([
            "object=$$(mktemp)",
            "trap \"rm -f $$object\" EXIT",
            "header=$(location %s)" % program,
            "clang -target bpf -O2 -g -ffile-prefix-map=$$PWD=. -Wall -Wextra -Werror -I$${header%%netdiag/bpf/program.h}. -c $(location %s.bpf.c) -o $$object" % name,
            "$(location %s) $$object %s > $@" % (Label("//tools/bpf:make_loader"), name),
        ]),
    )
