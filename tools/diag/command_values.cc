// Tested by tests/tools/host_test.cc.

#include "tools/diag/command_values.h"

#include <cerrno>
#include <cstdlib>

#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tools/diag/privileges.h"

namespace diag {

absl::StatusOr<std::string> ProcRoot(std::string_view option) {
  const char* const environment = secure_getenv("HOST_PROC");
  const bool by_option = !option.empty();
  std::string root(option);
  if (!by_option && environment != nullptr) root = environment;
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  if (root.empty()) return "/proc";
  // Links in a tree of the caller's could lead to files that only diag may read.
  if (GainedPrivileges()) {
    return netdiag::ErrnoError(EPERM, "--proc " + root,
                               "diag has privileges that its caller lacks, so it reads /proc only");
  }
  NETDIAG_RETURN_IF_ERROR(
      netdiag::OwnerIndex::CheckProcfs(root, by_option ? "--proc" : "environment HOST_PROC"));
  return root;
}

}  // namespace diag
