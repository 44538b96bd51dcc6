// Tested by tests/tools/proc_root_test.cc.

#include "tools/diag/command_values.h"

#include <cstdlib>

#include "netdiag/process/owner_index.h"

namespace diag {

absl::StatusOr<std::string> ProcRoot(std::string_view option) {
  const char* const environment = std::getenv("HOST_PROC");
  const bool by_option = !option.empty();
  std::string root(option);
  if (!by_option && environment != nullptr) root = environment;
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  if (root.empty()) return "/proc";
  const absl::Status status = netdiag::OwnerIndex::CheckProcfs(root);
  if (status.ok()) return root;
  return netdiag::BadInput(by_option ? "--proc" : "environment HOST_PROC", root,
                           std::string(status.message()));
}

}  // namespace diag
