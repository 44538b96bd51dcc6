// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// netdiag/bpf/program.h — Internal. The start of every *.bpf.c: the kernel's integer types, which
// libbpf's headers need in place of linux/types.h, libbpf's helpers, and the license.

#ifndef NETDIAG_BPF_PROGRAM_H_
#define NETDIAG_BPF_PROGRAM_H_

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char licenses[] SEC("license") = "Dual MIT/GPL";

#endif  // NETDIAG_BPF_PROGRAM_H_
