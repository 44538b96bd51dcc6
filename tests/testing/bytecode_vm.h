// tests/testing/bytecode_vm.h — an interpreter of inet_diag's bytecode: which programs the kernel
// refuses, and which sockets a program accepts. Follows the kernel's rules, without regard to speed
// and independently of the compiler under test.
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

// The values of a socket that programs test.
struct BytecodeEntry {
  IpAddress local, remote;
  uint16_t local_port = 0, remote_port = 0;
  uint32_t device = 0;
  uint32_t mark = 0;
  uint64_t cgroup = 0;
  bool port_locked = false;
};

// Returns 0, EINVAL or EPERM.
int AuditBytecode(Bytes program, bool net_admin);
// Returns true if the program accepts the socket. REQUIRES: AuditBytecode() returned 0.
bool RunBytecode(Bytes program, const BytecodeEntry& entry);

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_BYTECODE_VM_H_
