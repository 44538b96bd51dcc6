// Tested by tests/summary_test.cc.

#include "netdiag/summary.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "netdiag/types/error.h"

namespace netdiag {
namespace {

// "3 processes: what".
absl::Status Counted(int errnum, uint64_t count, std::string_view of, std::string_view what) {
  return ErrnoError(errnum, std::to_string(count) + " " + std::string(of), what);
}

void AddTables(const Summary& summary, std::vector<absl::Status>* gaps) {
  for (const TableOutcome& outcome : summary.tables) {
    if (!outcome.status.ok()) {
      gaps->push_back(outcome.status);
    } else if (!outcome.doubt.ok()) {
      gaps->push_back(outcome.doubt);
    }
  }
}

void AddNamespaces(const NetnsStats& stats, std::vector<absl::Status>* gaps) {
  if (stats.denied > 0) gaps->push_back(stats.denial);
  if (stats.hidden > 0) {
    gaps->push_back(Counted(EACCES, stats.hidden, "processes",
                            "their network namespaces could not be read, so sockets may be "
                            "missing"));
  }
  if (!stats.no_socket_search.ok()) gaps->push_back(stats.no_socket_search);
  if (stats.unreached > 0) {
    gaps->push_back(Counted(ENOENT, stats.unreached, "network namespaces",
                            "no path leads to them, so their sockets are missing"));
  }
  if (stats.beyond > 0) {
    gaps->push_back(Counted(E2BIG, stats.beyond, "network namespaces",
                            "they are beyond the number that is listed, so their sockets are "
                            "missing"));
  }
}

void AddOwners(const OwnerStats& stats, std::vector<absl::Status>* gaps) {
  if (stats.denied > 0) {
    gaps->push_back(Counted(EACCES, stats.denied, "processes",
                            "their descriptors may not be read, so owners may be missing"));
  }
  if (stats.hidepid) {
    gaps->push_back(ErrnoError(EACCES, "procfs",
                               "it hides processes of other users (hidepid), so owners may be "
                               "missing"));
  }
  if (stats.other_pid_namespace) {
    gaps->push_back(ErrnoError(EACCES, "pid namespace",
                               "processes outside of it are not seen, so owners may be missing"));
  }
  if (stats.errors > 0) {
    gaps->push_back(Counted(stats.first_error, stats.errors, "descriptors or processes",
                            "they could not be read, so owners may be missing"));
  }
  if (stats.limit != OwnerLimit::kNone) {
    gaps->push_back(ErrnoError(ETIMEDOUT, "search for owners",
                               "its budget was spent, so owners may be missing"));
  } else if (stats.partial) {
    gaps->push_back(
        ErrnoError(ECANCELED, "search for owners", "it has not ended, so owners may be missing"));
  }
}

}  // namespace

std::vector<absl::Status> Summary::Gaps() const {
  std::vector<absl::Status> gaps;
  AddTables(*this, &gaps);
  if (netns) AddNamespaces(*netns, &gaps);
  if (interrupted) {
    gaps.push_back(ErrnoError(EAGAIN, "dump", "a table changed while the kernel dumped it"));
  }
  if (damaged > 0) {
    gaps.push_back(Counted(EBADMSG, damaged, "messages or lines",
                           "they contradict their format and were left out or cut short"));
  }
  if (!replay_damage.ok()) gaps.push_back(replay_damage);
  if (!owner_error.ok()) gaps.push_back(owner_error);
  if (owners) AddOwners(*owners, &gaps);
  return gaps;
}

absl::Status Summary::Whole() const {
  std::vector<absl::Status> gaps = Gaps();
  return gaps.empty() ? absl::OkStatus() : std::move(gaps.front());
}

}  // namespace netdiag
