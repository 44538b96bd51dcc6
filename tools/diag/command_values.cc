// Tested by tests/tools/host_test.cc.

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
  NETDIAG_RETURN_IF_ERROR(
      netdiag::OwnerIndex::CheckProcfs(root, by_option ? "--proc" : "environment HOST_PROC"));
  return root;
}

}  // namespace diag
