// tests/bpf/probe_format.h — what probe.bpf.c writes.

#ifndef TESTS_BPF_PROBE_FORMAT_H_
#define TESTS_BPF_PROBE_FORMAT_H_

struct ProbeOutput {
  unsigned int constant;
  unsigned int runs;
};

#endif  // TESTS_BPF_PROBE_FORMAT_H_
