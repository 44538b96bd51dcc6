// tests/testing/families.h — sockets of the families other than TCP, UDP and unix, in the network
// namespace of the calling thread, each with what the socket API says of it.
//
// The namespace's "lo" must be up. Needs CAP_NET_ADMIN and CAP_NET_RAW. Any failure ends the
// program, as in zoo.h. The caller closes the descriptors.

#ifndef NETDIAG_TESTS_TESTING_FAMILIES_H_
#define NETDIAG_TESTS_TESTING_FAMILIES_H_

#include <string>
#include <vector>

#include "netdiag/types/types.h"

namespace netdiag::testing {

struct FamilySocket {
  std::string what;  // names it in failures
  int fd = -1;
  Protocol protocol = Protocol::kRaw;
  Family family = Family::kInet;
  SocketType type = SocketType::kRaw;
  Cookie cookie;
  Inode inode;
};

std::vector<FamilySocket> MakeFamilies();

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_FAMILIES_H_
