// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// kernel_table.bpf.c for kernels without bpf_rdonly_cast() (6.2) or with options that are bits
// (before 6.6): copies each struct before it reads its fields.

#define NETDIAG_BY_COPIES
#include "netdiag/bpf/kernel_table.bpf.c"
