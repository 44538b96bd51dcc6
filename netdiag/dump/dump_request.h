// netdiag/dump/dump_request.h — Internal. What one dump asks for.

#ifndef NETDIAG_DUMP_DUMP_REQUEST_H_
#define NETDIAG_DUMP_DUMP_REQUEST_H_

#include <cstddef>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// A port of 0 matches any port.
struct DumpRequest {
  Table table = {};
  StateSet states = {};
  ExtensionSet extensions = {};
  Depth depth = Depth::kAll;
  Port source_port = {};
  Port destination_port = {};
  // The program that inet_diag runs on each socket (INET_DIAG_REQ_BYTECODE); empty: none.
  std::vector<std::byte> bytecode = {};
  // For kBpfStorages: descriptors of the maps to report; empty: all. At most kMaxBpfMaps.
  std::vector<int> bpf_maps = {};
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_DUMP_REQUEST_H_
