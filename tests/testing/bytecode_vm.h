// tests/testing/bytecode_vm.h — inet_diag's bytecode as the kernel takes it: what it refuses, and
// what a program says of a socket. Written from the kernel's rules, slowly, and apart from the
// compiler that is tested.
//
//   EXPECT_EQ(AuditBytecode(program, /*net_admin=*/true), 0);
//   EXPECT_TRUE(RunBytecode(program, entry));
//
// Source: inet_diag_bc_audit(), inet_diag_bc_run(), net/ipv4/inet_diag.c (6.18).

#ifndef NETDIAG_TESTS_TESTING_BYTECODE_VM_H_
#define NETDIAG_TESTS_TESTING_BYTECODE_VM_H_

#include <array>
#include <cstdint>

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

// What the kernel reads of a socket.
struct BytecodeEntry {
  IpAddress local, remote;
  uint16_t local_port = 0, remote_port = 0;
  uint32_t device = 0;
  uint32_t mark = 0;
  uint64_t cgroup = 0;
  bool port_locked = false;
};

// 0, EINVAL or EPERM.
int AuditBytecode(Bytes program, bool net_admin);
// REQUIRES: the audit passed.
bool RunBytecode(Bytes program, const BytecodeEntry& entry);

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_BYTECODE_VM_H_
