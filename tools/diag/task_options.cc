// Tested by tests/tools/task_options_test.cc.

#include "tools/diag/task_options.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

#include "netdiag/destroy.h"
#include "netdiag/events.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Protocol;

bool HasEvents(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp;
}

// Keeps only the tables that `serves` accepts. Of the others, those that the user named are left
// out with a note; the groups `inet` and `all`, and the default, take what they can.
void TakeTables(const TableChoice& tables, absl::FunctionRef<bool(Protocol)> serves,
                ListOptions* options) {
  std::erase_if(options->query.protocols, [&](Protocol protocol) {
    if (serves(protocol)) return false;
    if (tables.names(protocol)) options->left_out.push_back(protocol);
    return true;
  });
}

absl::Status ResolveKill(const TaskWords& words, const TableChoice& tables, ListOptions* options) {
  netdiag::Query& query = options->query;
  options->task = words.dry_run ? Task::kDryKill : Task::kKill;
  TakeTables(tables, netdiag::CanDestroy, options);
  if (query.protocols.empty()) {
    return BadInput("option", "--kill",
                    "no kernel closes sockets of these tables, only of TCP, UDP and raw sockets");
  }
  if (query.filter == nullptr && !words.all) {
    return BadInput("option", "--kill",
                    "it needs a filter, as `dst 10.0.0.5`, `:443` or `comm = nginx`, or -a for "
                    "every socket of the chosen tables and states");
  }
  if (options->unlisted) {
    return BadInput("option", "--unlisted",
                    "a socket that no table has cannot be closed, so -K excludes it");
  }
  if (options->selection.limit != 0) {
    return BadInput("option", "--limit", "-K closes everything that matches");
  }
  // A dump that is not verified could miss a socket.
  query.completeness = netdiag::Completeness::kExact;
  return absl::OkStatus();
}

// The options that a stream without an end has no use for.
absl::Status CheckStream(const ListOptions& options) {
  constexpr std::string_view kNoEnd = "events have no end; ";
  const auto refuse = [&](std::string_view option, std::string_view advice) {
    return BadInput("option", option, std::string(kNoEnd).append(advice));
  };
  if (options.style.form == Form::kJson) return refuse("--json", "--jsonl has a line for each");
  if (!options.selection.count_by.empty()) {
    return refuse("--count-by", "--limit N ends after N of them, and other programs can count");
  }
  if (!options.selection.sort.empty()) return refuse("--sort", "they come as sockets close");
  return absl::OkStatus();
}

absl::Status ResolveEvents(const TaskWords& words, const TableChoice& tables, bool summary,
                           ListOptions* options) {
  netdiag::Query& query = options->query;
  options->task = Task::kEvents;
  TakeTables(tables, HasEvents, options);
  const bool inet = query.families.contains(netdiag::Family::kInet) ||
                    query.families.contains(netdiag::Family::kInet6);
  if (query.protocols.empty() || !inet) {
    return BadInput("option", "--events",
                    "the kernel tells the end of TCP and UDP sockets only, so add -t or -u");
  }
  if (options->all_netns) {
    return BadInput("option", "--all-netns",
                    "-E follows one network namespace; choose another one with -N");
  }
  if (options->unlisted) {
    return BadInput("option", "--unlisted", "-E shows sockets that close, and lists none");
  }
  if (summary) {
    return BadInput("option", "--summary", "it counts sockets that exist, and -E shows others");
  }
  if (query.completeness == netdiag::Completeness::kExact) {
    return BadInput("option", "--exact",
                    "the kernel drops events that are not read in time; -E says when it did");
  }
  NETDIAG_RETURN_IF_ERROR(CheckStream(*options));
  options->states_ignored = words.states;
  query.states = netdiag::StateSet::All();
  if (!words.owners) {
    options->details =
        DetailSet::FromBits(options->details.bits() & ~DetailSet(Detail::kOwners).bits());
  }
  // Looks beside the events find the owners. They judge such a filter, too.
  const bool by_looks = query.filter != nullptr && query.filter->ReadsOwners();
  return by_looks ? absl::OkStatus() : netdiag::Events::CheckFilter(query);
}

}  // namespace

absl::Status ResolveTask(const TaskWords& words, const TableChoice& tables, ListOptions* options) {
  if (words.kill && words.events) {
    return BadInput("option", "--kill", "it closes sockets, and -E only watches; choose one");
  }
  if (words.dry_run && !words.kill) return BadInput("option", "--dry-run", "it needs -K");
  if (words.kill) return ResolveKill(words, tables, options);
  if (!words.events) return absl::OkStatus();
  return ResolveEvents(words, tables, options->summary != SummaryMode::kNone, options);
}

}  // namespace diag
