// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Programs for loader_test.cc: one that works, and one that no kernel accepts.

#include "netdiag/bpf/program.h"
#include "tests/bpf/probe_format.h"

#define BPF_MAP_TYPE_ARRAY 2

const volatile unsigned int constant = 7;

struct ProbeOutput output;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 3);
  __type(key, __u32);
  __type(value, __u32);
} cells SEC(".maps");

SEC("iter/bpf_map")
int Works(void* ctx) {
  (void)ctx;
  __u32 last = 4;
  output.constant = constant;
  output.runs += 1;
  __u32* cell = bpf_map_lookup_elem(&cells, &last);
  if (cell != 0) *cell = constant;
  return 0;
}

SEC("iter/bpf_map")
int ReadsAnyAddress(void* ctx) {
  (void)ctx;
  return *(volatile int*)(long)constant;
}
