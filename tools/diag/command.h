// tools/diag/command.h — the form of a command of diag, and the one parser of command lines.
//
// A command has one table of options. The parser, --help, the man page and the completions are made
// from it, so an option is one row:
//
//   constexpr auto kOptions = std::to_array<Option<State>>({
//       {{.name = "max", .help = "at most N connections", .argument = {"N"}}, SetMaximum},
//   });
//   State state;
//   NETDIAG_ASSIGN_OR_RETURN(Words words, ParseCommandLine<State>(kOptions, argc, argv, &state));

#ifndef NETDIAG_TOOLS_DIAG_COMMAND_H_
#define NETDIAG_TOOLS_DIAG_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "tools/diag/privileges.h"
#include "tools/diag/report.h"

namespace diag {

// The values that an argument can have, for completions.
enum class Values : uint8_t {
  kAny,     // nothing can be offered
  kOneOf,   // one of `words`
  kListOf,  // some of `words`, separated by commas
  kFile,    // a path
  // The names that the machine has when they are completed:
  kNetns,      // a network namespace, by its name or a path
  kInterface,  // a network interface
  kProcess,    // a process, by its pid
};

// The argument of an option, or the operand of a command.
struct Argument {
  std::string_view name = {};  // as the help shows it: "LIST"; empty: there is no argument
  Values values = Values::kAny;
  std::vector<std::string> (*words)() = nullptr;  // null unless `values` is kOneOf or kListOf
};

// The parts of --help, in their order.
enum class HelpGroup : uint8_t { kSockets, kShown, kForm, kOther };

// An option as the user sees it. Its texts are literals.
struct OptionInfo {
  char letter = 0;             // 0: the option has a long name only
  std::string_view name = {};  // the long name; empty: the option has a letter only
  std::string_view help = {};  // empty: help and completions do not show the option
  Argument argument = {};
  HelpGroup group = HelpGroup::kOther;

  bool hidden() const { return help.empty(); }
};

// A row of a command's table of options. `State` collects what the command line says.
template <class State>
struct Option {
  OptionInfo info;
  // Called once for each occurrence, in the order of the command line. `argument` is empty if the
  // option has none.
  absl::Status (*set)(std::string_view argument, State* state) = nullptr;
};

struct Command {
  std::string_view name;  // empty: what diag does if its first word names no command
  std::string_view help;
  Argument operand;  // the words beside the options
  std::vector<OptionInfo> (*options)();
  // `argv[0]` is the name of the program or of the command. Reports errors on stderr.
  ExitCode (*run)(int argc, char** argv);
  // What it can need, whatever its options are.
  CapabilitySet capabilities;
  // What the options do not say: lines of at most 80 columns, as they are shown. Can be empty.
  std::string_view details = {};
};

// The words of a command line that are neither options nor their arguments.
using Words = std::vector<std::string_view>;

// Parses main()'s arguments as getopt_long(3) does: letters in clusters, long names abbreviated,
// options after words, and "--" before words only. Permutes `argv`. Calls `set` with the index of
// each option. Errors: those of `set`; an unknown option, for which the nearest name is suggested;
// and a missing or empty argument. They name the option.
absl::StatusOr<Words> ParseCommandLine(
    std::span<const OptionInfo> options, int argc, char** argv,
    absl::FunctionRef<absl::Status(size_t option, std::string_view argument)> set);

template <class State>
std::vector<OptionInfo> InfosOf(std::span<const Option<State>> options) {
  std::vector<OptionInfo> infos;
  for (const Option<State>& option : options) infos.push_back(option.info);
  return infos;
}

// The same with the setters of a table.
template <class State>
absl::StatusOr<Words> ParseCommandLine(std::span<const Option<State>> options, int argc,
                                       char** argv, State* state) {
  return ParseCommandLine(InfosOf(options), argc, argv,
                          [&](size_t option, std::string_view argument) {
                            return options[option].set(argument, state);
                          });
}

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_COMMAND_H_
