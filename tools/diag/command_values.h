// tools/diag/command_values.h — setters for options that several commands have.

#ifndef NETDIAG_TOOLS_DIAG_COMMAND_VALUES_H_
#define NETDIAG_TOOLS_DIAG_COMMAND_VALUES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"

namespace diag {

// `option` is named by the error: "--max".
template <class T>
absl::Status ReadNumber(std::string_view option, std::string_view argument, T* number) {
  const std::optional<T> parsed = netdiag::internal::ParseNumber<T>(argument);
  if (!parsed) return netdiag::BadInput(option, argument, "expected a number");
  *number = *parsed;
  return absl::OkStatus();
}

// The error for a word that the command does not expect.
inline absl::Status UnexpectedWord(std::string_view word) {
  return netdiag::BadInput("argument", word, "unexpected word: the command takes no more words");
}

// --help, for a State with a member `bool help`.
template <class State>
absl::Status SetHelp(std::string_view, State* state) {
  state->help = true;
  return absl::OkStatus();
}

// The procfs that diag reads: `option`, the argument of --proc; else $HOST_PROC; else /proc. The
// first two are refused if they are not a procfs that shows diag itself.
absl::StatusOr<std::string> ProcRoot(std::string_view option);

// --proc DIR, for a State with a member `std::string proc_root`, which is empty at first.
template <class State>
absl::Status SetProc(std::string_view directory, State* state) {
  if (directory.empty()) return netdiag::BadInput("--proc", directory, "expected a directory");
  state->proc_root = directory;
  return absl::OkStatus();
}

// The network namespace that --net names: a name, a process of the procfs or a path.
// kInvalidArgument if there is no such namespace, so that every spelling of a wrong name is a usage
// error. Another error, such as a denied permission, appears when the namespace is entered.
inline absl::StatusOr<netdiag::netlink::NetNs> FindNetns(std::string_view name,
                                                         const std::string& proc_root = "/proc") {
  NETDIAG_ASSIGN_OR_RETURN(auto netns,
                           netdiag::netlink::NetNs::FromName(std::string(name), proc_root));
  const absl::Status found = netns.Identify().status();
  if (absl::IsNotFound(found) || absl::IsInvalidArgument(found)) {
    return netdiag::BadInput("--net", name, std::string(found.message()));
  }
  return netns;
}

// --net NAME, for a State with a member `std::optional<NetNs> netns`.
template <class State>
absl::Status SetNetns(std::string_view name, State* state) {
  NETDIAG_ASSIGN_OR_RETURN(state->netns, FindNetns(name));
  return absl::OkStatus();
}

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_COMMAND_VALUES_H_
