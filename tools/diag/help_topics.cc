// `diag help TOPIC`. Tested by tests/tools/help_test.cc.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/tables.h"

namespace diag {
namespace {

constexpr auto kExamples = std::to_array<Example>({
    {"diag -tlnp", "TCP listeners and their processes"},
    {"diag -tanp '( sport = :443 or dport = :443 )'", "a port, at either end"},
    {"diag -tan 'rtt > 100ms and not dst 10/8'", "slow connections to other networks"},
    {"diag -tan --columns remote,rport,rtt --sort -rtt --limit 10", "the ten slowest"},
    {"diag -ta --count-by state,comm", "how many sockets in which state, by command"},
    {"diag --all-netns -tuln --json", "listeners of every network namespace, as JSON"},
    {"diag -tnp state close-wait", "connections that a program forgot to close"},
    {"diag -tan 'recvq > 0 and not state = listening'", "data that no program reads"},
    {"diag -xp --peers src '/run/*'", "unix sockets below a path, and who is at the other end"},
    {"diag -N web -tanp dport = :5432", "in the network namespace `web`: who is connected there"},
});

// The filter language. docs/filter.md has the rest.
constexpr std::string_view kFilter =
    R"(EXPRESSION selects sockets. It stands after `state NAME` and `exclude NAME`.
Quote it for the shell, or write it as several words.

  A and B, A or B, not A, ( A )
                            `and` binds tighter than `or`; `and` may be left out
  FIELD OPERATOR VALUE      = != > >= < <=, or eq ne gt ge lt le

Predicates:
  src HOST, dst HOST        an address, a network (10/8, fd00::/8), an address
                            with a port (10.0.0.1:22, [::1]:22), a host's name;
                            a glob over unix names: '/run/*', '@name'
  sport = PORT, dport = PORT
                            22, :22, :ssh, or a range: :8000-8010
  state = NAME              `diag help states` lists the names
  dev = NAME                the interface that the socket is bound to
  uid = USER                a number or a name
  pid = N, comm = NAME      any owner; the glob "nginx*" matches workers, too
  cgroup = PATH, netns = NAME, fwmark = MARK/MASK
  autobound                 the kernel chose the local port
  FIELD = VALUE             every field of `diag help fields`; texts are globs
  FLAG, not FLAG            a flag needs no value: v6_only

Short words, if EXPRESSION begins with one; `and`, `or` and more can follow:
  443, :443, :https, 8000-8010
                            a port, at either end
  10.0.0.1, 10/8, 1.2.3.4:443, [::1]:22, localhost:22
                            an address, at either end
  /run/x.sock, ./x, @name   a unix socket, at either end
  LISTEN, close-wait        a state; tcp, udp, unix, ...: a table
  nginx                     any other word: the beginning of a process's name
Ports, addresses, unix sockets and processes imply -p, and -a if no state is
selected.

States: without -a, -l, -B or `state NAME`, the sockets in use are listed, and
the states that the filter names. If no socket can match, as in
`-l 'state = established'`, a note on stderr says why.

Units: a time needs one (500us, 100ms, 1.5s, 2min); bytes and counts take k, M
and G. A predicate is false for a socket that lacks the field.

Examples:
  diag -tan 'sport = :22 or dport = :22'
  diag -tan 'dst 10/8 and retrans > 0'
  diag -tln 'sport < 1024 and not uid = root'
  diag -ta 'recvq > 64k or sendq > 64k'
  diag -tap 'comm = "nginx*" and lastrcv > 5min'
  diag -xa 'name = /run/*'
)";

constexpr std::string_view kExitCodes = R"(Exit codes of every command:
  0  answered, also if nothing matches. Notes on stderr say what could not be
     seen, such as owners that only root may see, and why no socket can match.
  1  not answered, or not whole; or stdout could not be written.
  2  usage error: stderr names the argument that was refused. Also a network
     namespace that does not exist. Nothing was printed.

1 means:
  diag                      a table could not be read, or not to its end; no
                            process has the name of `diag NAME`. A table that
                            this kernel lacks counts only if it was named
  diag connections          a table of KIND could not be read; the process of
                            --pid has ended or may not be read
  diag interfaces           neither the kernel nor /proc/net/dev answered. If
                            only the kernel refused: 0, with a note. An
                            interface that does not exist: 2
)";

std::string FilterTopic() { return std::string(kFilter); }
std::string ExitTopic() { return std::string(kExitCodes); }

std::string StatesTopic() {
  return Paragraph("States, for `state NAME`, `exclude NAME` and the filter `state = NAME`:", 0) +
         Paragraph(absl::StrJoin(StateWords(), " "), 2) + "\nGroups of states:\n" +
         "  all           every state except bound-inactive\n"
         "  connected     all except listening and unconnected\n"
         "  synchronized  connected except syn-sent\n"
         "  bucket        syn-recv and time-wait\n"
         "  big           all except bucket\n\n" +
         Paragraph(
             "Without -a, -l and a state, diag lists the sockets in use: connections, and "
             "UDP sockets that are connected.",
             0) +
         "\nExamples:\n"
         "  diag -tn state established\n"
         "  diag -tn state fin-wait-1 state fin-wait-2\n"
         "  diag -tn exclude listening exclude time-wait\n";
}

std::string TablesTopic() {
  return Paragraph("Tables, for -A LIST; names are separated by commas, and !NAME removes one:",
                   0) +
         Paragraph(absl::StrJoin(TableWords(), " "), 2) + "\nFamilies, for -f FAMILY:\n" +
         Paragraph(absl::StrJoin(FamilyWords(), " "), 2) +
         "\nExamples:\n  diag -A tcp,udp -an\n  diag -A all,!unix -a\n  diag -f inet6 -ln\n";
}

std::string ExamplesTopic() {
  std::string text;
  for (const Example& example : kExamples) {
    text.append("  ").append(example.command).append("\n      ").append(example.help).append("\n");
  }
  return text;
}

constexpr auto kTopics = std::to_array<TopicInfo>({
    {"filter", "the language of EXPRESSION, and all short words", FilterTopic},
    {"fields", "what a socket has, for filters, --columns, --sort and --count-by", FieldsHelp},
    {"columns", "the same as fields", FieldsHelp},
    {"states", "the states and the groups of states", StatesTopic},
    {"tables", "the tables of -A and the families of -f", TablesTopic},
    {"exit-codes", "when diag and its commands return 0, 1 or 2", ExitTopic},
    {"examples", "ten command lines", ExamplesTopic},
});

}  // namespace

std::span<const Example> Examples() { return kExamples; }
std::span<const TopicInfo> Topics() { return kTopics; }

std::vector<std::string> TopicWords() {
  std::vector<std::string> words;
  for (const TopicInfo& topic : kTopics) words.emplace_back(topic.name);
  for (const Command& command : NamedCommands()) words.emplace_back(command.name);
  return words;
}

absl::StatusOr<std::string> TopicHelp(std::string_view topic) {
  std::string name(topic);
  std::ranges::replace(name, ' ', '-');
  const auto row = std::ranges::find(kTopics, name, &TopicInfo::name);
  if (row != kTopics.end()) return row->text();
  const auto command = std::ranges::find(NamedCommands(), name, &Command::name);
  if (command != NamedCommands().end()) return CommandHelp(*command);
  return netdiag::BadInput("topic", topic, "expected one of " + absl::StrJoin(TopicWords(), " "));
}

}  // namespace diag
