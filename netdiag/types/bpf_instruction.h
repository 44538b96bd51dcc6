// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/bpf_instruction.h — one instruction of a classic BPF program.

#ifndef NETDIAG_TYPES_BPF_INSTRUCTION_H_
#define NETDIAG_TYPES_BPF_INSTRUCTION_H_

#include <cstdint>

#include "netdiag/version.h"

namespace netdiag {

// The layout is that of struct sock_filter. Source: include/uapi/linux/filter.h.
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jump_true = 0;
  uint8_t jump_false = 0;
  uint32_t k = 0;
};

}  // namespace netdiag

#endif  // NETDIAG_TYPES_BPF_INSTRUCTION_H_
