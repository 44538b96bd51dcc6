// `diag help TOPIC`. Tested by tests/tools/help_test.cc.

#include <algorithm>
#include <array>
#include <span>
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
    {"diag -tlnp 'sport = :443'", "who listens on port 443"},
    {"diag -tan 'dst 10/8 and rtt > 100ms'", "slow connections to a network"},
    {"diag -tan --columns remote,rport,rtt --sort -rtt --limit 10", "the ten slowest"},
    {"diag -ta --count-by state,comm", "how many sockets in which state, by command"},
    {"diag --all-netns -tln 'sport = :22'", "which network namespaces have a listener on port 22"},
    {"diag -aBp --unlisted 'pid = 1234'", "everything that a process has open"},
    {"diag -tanp '( sport = :443 or dport = :443 )'", "a port, at either end"},
    {"diag -tnp state close-wait", "connections that a program forgot to close"},
    {"diag -tan 'recvq > 0 and not state = listening'", "data that no program reads"},
    {"diag -tuln --json", "what listens, as JSON"},
    {"diag -xp --peers src '/run/*'", "unix sockets below a path, and who is at the other end"},
    {"diag -N web -tanp dport = :5432", "in the network namespace `web`: who is connected there"},
    {"diag -K --dry-run -tn 'dst 10.0.0.5 and dport = :443'",
     "which connections -K would close; without --dry-run it closes them"},
    {"diag -Etni 'bytes_received > 1M'", "connections as they close, with their final counters"},
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
  user = USER               who made the socket: a name or a number (also uid)
  pid = N, comm = NAME      any owner
  unit = NAME               a systemd unit, as nginx.service; also container and
                            pod
  cgroup_path = PATH        a cgroup
  cgroup = PATH, netns = NAME, fwmark = MARK/MASK
  autobound                 the kernel chose the local port
  FIELD = VALUE             every field of `diag help fields`
  FLAG, not FLAG            a flag needs no value: v6_only

Globs (* ? [a-z]) are for texts, such as comm, exe, args, name, unit, container,
pod and cgroup_path: comm = "nginx*" matches workers, too. uid, netns, dev and
cgroup take a whole name. Quote a value that has blanks.

Cgroups: unit, container, pod and cgroup_path find every socket that a table
has, and a unix socket by its first owner: add -p for cgroup_path. cgroup = PATH
compares the kernel's id of one cgroup. It finds no unix sockets, and nothing in
cgroups below it.

Short words, if EXPRESSION begins with one; `and`, `or` and more can follow:
  443, :443, :https, 8000-8010
                            a port, at either end
  10.0.0.1, 10/8, 1.2.3.4:443, [::1]:22, localhost:22
                            an address, at either end
  /run/x.sock, ./x, @name   a unix socket, at either end
  LISTEN, close-wait        a state; tcp, udp, unix, ...: a table
  nginx                     any other word: comm = "nginx*", the commands that
                            begin so
Ports, addresses, unix sockets and processes imply -p, and -a if no state is
selected.

States: without -a, -l, -B or `state NAME`, the sockets in use are listed, and
the states that the filter names. Sockets in use are neither listening,
unconnected, TIME-WAIT nor SYN-RECV. A filter that reads owners, such as pid or
comm, selects every state. If no socket can match, as in
`-l 'state = established'`, a note on stderr says why.

Units: a time needs one (500us, 100ms, 1.5s, 2min, 1h). In bytes, k, M and G are
1024, 1024^2 and 1024^3: the 1M of wmem_queued > 1M is 1048576. In rates and in
numbers without a unit, also recvq and sendq, they are 1000, 1000^2 and 1000^3.

A predicate is false for a socket that lacks the field, and `not` inverts that:
`pid != 1` needs another owner, `not pid = 1` is also true without an owner.

)";

// Examples of the filter language.
constexpr auto kFilterExamples = std::to_array<Example>({
    {"diag -tan 'sport = :22 or dport = :22'", "a port, at either end"},
    {"diag -tln 'sport < 1024 and not user = root'", "low ports that root did not open"},
    {"diag -tap 'comm = \"nginx*\" and lastrcv > 5min'", "idle connections of a program"},
    {"diag -aBp 'unit = nginx.service'", "the sockets of a systemd unit"},
    {"diag -aBp 'cgroup_path = /system.slice/nginx.service'",
     "the same for a cgroup; with /* after the path, for those below it"},
    {"diag -aBp --unlisted 'pid = 1234'",
     "everything that a process has open; add --all-netns if it uses several network namespaces"},
    {"diag -aBp --unlisted 'comm = nginx'", "the same for all processes of a command"},
    {"diag -taB 'user = www-data'", "the TCP sockets of a user"},
    {"diag --all-netns -tln 'sport = :22'", "which network namespaces have a listener on a port"},
    {"diag -tan 'retrans > 0 or (timer = on and timer_retransmits > 0)'",
     "what retransmits now; -a, because SYN-RECV is not in use, and it has timer_retransmits only"},
    {"diag -tnp state close-wait 'recvq > 1'",
     "CLOSE-WAIT with unread data; the end of the peer's data counts 1 in Recv-Q"},
    {"diag -tan 'recvq > 64k or wmem_queued > 1M'", "full buffers"},
    {"diag -tn state time-wait --count-by state", "how many are in TIME-WAIT"},
    {"diag -uan 'drops > 0'", "UDP sockets that dropped packets"},
    {"diag -xp --peers src /run/x.sock", "who is at the other end of a unix socket"},
    {"diag -6tln v6_only", "listeners that take no IPv4"},
    {"diag -ap no_owner = hidden", "sockets whose owners may not be read"},
});

constexpr std::string_view kExitCodes = R"(Exit codes of every command:
  0  answered, also if nothing matches. Notes on stderr say what could not be
     seen, such as owners that only root may see, and why no socket can match.
  1  not answered, or not whole; or stdout could not be written.
  2  usage error: stderr names the argument that was refused. Also a network
     namespace that does not exist. Nothing was printed. `diag netstat` ends
     with 3, as netstat does.

1 means:
  diag                      a table could not be read, or not to its end; no
                            process has the name of `diag NAME`. A table that
                            this kernel lacks counts only if it was named.
                            A file of --replay or TCPDIAG_FILE is damaged, or
                            lacks what is asked for; a file of --capture or -D
                            could not be written whole
  diag -K                   a socket that matched was not closed and still
                            lives; a named table was left out. 0 if nothing
                            matched
  diag -E                   a named table was left out. 0 if it was ended, also
                            if events were lost
  diag connections          a table of KIND could not be read; the process of
                            --pid has ended or may not be read
  diag interfaces           neither the kernel nor /proc/net/dev answered. If
                            only the kernel refused: 0, with a note. An
                            interface that does not exist: 2
  diag netstat              a table or a family that was named is missing, or
                            could not be read; a family of -A is unknown
  diag watch, diag top      a look failed. 0 if it was ended, also if events
                            were lost
  diag export               the first look failed, or the address or the file
                            cannot be used. 0 if it was ended
  diag why                  a table could not be read
)";

std::string ExampleLines(std::span<const Example> examples) {
  std::string text;
  for (const Example& example : examples) {
    text.append("  ").append(example.command).append("\n").append(Paragraph(example.help, 6));
  }
  return text;
}

constexpr std::string_view kForms =
    R"(Without an option, diag prints ss's lines. Other forms:
  --columns NAME,...        a table of the fields that are named, with `-` for
                            what a socket lacks
  --count-by NAME,...       a table with the column `count`
  --csv                     a line for each socket; an absent value is empty
  --json                    one object, with one socket a line
  --jsonl                   an object a line: each socket, each `unlisted`
                            socket, and last the `summary` with the other keys
CSV and JSON have the fields that -p, -o, -e, -i, -m and so on name, or those of
--columns; `--columns all` has every field. --sort, --limit, --count-by and
--sum work in every form, --each-owner in all but ss's lines.

Keys of --json:
  schema, kernel            the version of these keys; the running kernel
  captured, replay_damage   with --replay: when the capture was made, and where
                            it is damaged
  sockets[]                 the sockets, with the fields of `diag help fields`
                            as keys; a group is an object in the socket, and
                            `owners` an array
  counts[]                  instead of sockets[], with --count-by
  tables[]                  how each table was read, and if that is complete
  owner_scan, owner_error   with -p: if every owner could be seen
  namespaces                with --all-netns: which were read
  unlisted[]                with --unlisted: protocol, inode, netns and owners[]
                            of each socket that only a descriptor shows
  left_out                  with --unlisted: how many such sockets were left
                            out (`count`), their `protocols[]`, the `reason`
  unlisted_error            why the search for them failed
  kill, not_closed[]        with -K: how many sockets came to what; those that
                            were not closed, each with `outcome`, `error` and
                            `socket`
  events                    with -E: `overruns`, `lost`, ... --jsonl also has a
                            line `lost` where events were lost
  rows, stopped, interrupted, foreign, damaged, duplicates, unknown_attributes,
  untold_listeners          about the answer as a whole
`diag --help-format=schema` prints the JSON Schema, with every key.

Only the default text, --json and --jsonl show what --unlisted adds. Such
sockets have no other keys, so a filter of user, unit or port never selects
them. A socket that was never bound and is in flight in a message has no
descriptor, so nothing shows it.

Escapes: text and CSV write control characters, and what hides or reorders text,
as \xNN or \u{N}. Names in ss's lines and in columns also have \x20 for a blank,
so that a line always has the same number of words. CSV also escapes the first
byte of a text that begins with = + - or @. JSON has JSON's own escapes.

Examples:
  diag -tuanp --csv
  diag -tln --json
  diag -anp --unlisted --jsonl
)";

// docs/capture.md and docs/output.md have the rest.
constexpr std::string_view kCaptures =
    R"(--capture FILE writes a capture and lists nothing. --replay FILE answers a
command line from it: filters, forms, columns, --sort, --count-by, -p.

What is written: the sockets that the other options and words select, each with
all that the kernel tells (so -i, -m, -e and the like are not needed); with -p
also owners, their executables and arguments. Alone, --capture writes every
socket of every table, and --replay shows every socket of the file.

What is read: the file alone. Users, interfaces, processes, cgroups and
namespaces have the names that they had when the capture was made; a number
without such a name stays a number. Only services, host names and --passwd FILE
are looked up here.

stderr says what the capture lacks: tables and states that it was not asked for
(exit code 1), owners, a filter that it was made with, and what its maker was
told. --replay excludes -N, --all-netns, --proc, --unlisted, -Z, -z and
--capabilities.

Every record of a capture has a check. If a file is damaged, the sound sockets
are shown, the first damaged byte is named, and the exit code is 1.

A capture can hold keys (TCP-MD5) and arguments of programs. A new file is
readable by its owner only.

For ss: -D FILE writes the TCP sockets in ss's form, and `TCPDIAG_FILE=FILE ss`
or `TCPDIAG_FILE=FILE diag` lists them, with a filter. Such a file has no
checks, no owners and no names: those of interfaces and cgroups are looked up
here.

)";

std::string CapturesTopic() {
  return std::string(kCaptures) +
         "Examples:\n"
         "  diag --capture sockets.cap -p\n"
         "  diag --replay sockets.cap -tanp 'sport = :443'\n"
         "  diag --replay sockets.cap -ta --count-by state,comm\n"
         "  diag -tan -D tcp.dump\n"
         "  TCPDIAG_FILE=tcp.dump diag -tan dport = :443\n";
}
std::string FormsTopic() { return std::string(kForms); }
std::string FilterTopic() {
  return std::string(kFilter) + "Examples:\n" + ExampleLines(kFilterExamples);
}
std::string ExitTopic() { return std::string(kExitCodes); }

std::string StatesTopic() {
  return Paragraph("States, for `state NAME`, `exclude NAME` and the filter `state = NAME`:", 0) +
         Paragraph(absl::StrJoin(StateWords(), " "), 2) + "\nGroups of states:\n" +
         "  all           every state except bound-inactive\n"
         "  connected     all except listening and unconnected\n"
         "  synchronized  connected except syn-sent, cookie-wait and cookie-echoed\n"
         "  bucket        syn-recv and time-wait\n"
         "  big           all except bucket\n\n" +
         Paragraph(
             "Without -a, -l, -B and a state, diag lists the sockets in use: all states except "
             "listening, unconnected, time-wait and syn-recv. So it leaves out UDP sockets that "
             "are not connected.",
             0) +
         "\n" +
         Paragraph(
             "bound-inactive is a TCP socket that is bound but neither listens nor connects. It is "
             "a word of `state NAME` only, where it adds what -B adds. Such a row shows the state "
             "unconnected, and that is its state in filters.",
             0) +
         "\n" +
         Paragraph(
             "cookie-wait to shutdown-ack-sent are states of SCTP's associations, part-open and "
             "passive-closereq of DCCP. With a state of associations, diag lists their endpoints "
             "too, "
             "in whatever state.",
             0) +
         "\n" +
         Paragraph(
             "unlisted: with --unlisted, `state unlisted` lists only the sockets that it adds.",
             0) +
         "\nExamples:\n"
         "  diag -tn state established\n"
         "  diag -tn state fin-wait-1 state fin-wait-2\n"
         "  diag -tn exclude listening exclude time-wait\n"
         "  diag -tn state all state bound-inactive\n";
}

std::string TablesTopic() {
  return Paragraph("Tables, for -A LIST; names are separated by commas, and !NAME removes one:",
                   0) +
         Paragraph(absl::StrJoin(TableWords(), " "), 2) +
         Paragraph(
             "`all` has every table except tipc, as in ss. A table that is not named is left out "
             "while the kernel module of its protocol is not loaded: it has no sockets. To name "
             "it loads the module.",
             0) +
         "\nFamilies, for -f FAMILY:\n" + Paragraph(absl::StrJoin(FamilyWords(), " "), 2) +
         Paragraph(
             "The ends of vsock sockets are CID:PORT, those of TIPC sockets NODE:REF, and an XDP "
             "socket is at INTERFACE:qQUEUE. SMC sockets have addresses and ports, as TCP "
             "sockets have.",
             0) +
         "\nExamples:\n  diag -A tcp,udp -an\n  diag -A all,!unix -a\n  diag -f inet6 -ln\n"
         "  diag --vsock -a src vsock:1:*\n  diag --xdp -e 'xdp_stats.rx_dropped > 0'\n"
         "  diag --smc -a 'smc.mode = tcp'\n";
}

std::string ExamplesTopic() { return ExampleLines(kExamples) + "\n`diag help filter` has more.\n"; }

constexpr auto kTopics = std::to_array<TopicInfo>({
    {"filter", "the language of EXPRESSION, and all short words", FilterTopic},
    {"fields", "what a socket has, for filters, --columns, --sort and --count-by", FieldsHelp},
    {"columns", "the same as fields", FieldsHelp},
    {"states", "the states and the groups of states", StatesTopic},
    {"forms", "text, columns, CSV and JSON: their keys and escapes", FormsTopic},
    {"tables", "the tables of -A and the families of -f", TablesTopic},
    {"captures", "--capture, --replay, -D and TCPDIAG_FILE", CapturesTopic},
    {"exit-codes", "when diag and its commands return 0, 1, 2 or 3", ExitTopic},
    {"examples", "command lines for everyday questions", ExamplesTopic},
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
