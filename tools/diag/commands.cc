// Tested by tests/tools/commands_test.cc and help_test.cc.

#include "tools/diag/commands.h"

#include <algorithm>
#include <array>

#include "netdiag/connections.h"
#include "tools/diag/help.h"
#include "tools/diag/list_options.h"

namespace diag {
namespace {

std::vector<std::string> KindWords() {
  const std::vector<std::string_view> words = netdiag::ConnectionKinds();
  return {words.begin(), words.end()};
}

constexpr std::string_view kConnectionsDetails =
    R"(The output is a JSON array, with one object for each descriptor that holds a
connection. Its keys and words are those of gopsutil's net.ConnectionStat:
  fd, pid                   0: no process that diag can see holds the connection
  family                    AF_ numbers: 1 unix, 2 IPv4, 10 IPv6
  type                      SOCK_ numbers: 1 stream, 2 datagram, 5 seqpacket
  localaddr, remoteaddr     {"ip", "port"}. A unix socket has its name in "ip",
                            with @ for each NUL, and its bytes in "ip_hex" if
                            another name looks the same
  status                    LISTEN, ESTABLISHED, ...; NONE: UDP and unix sockets
  uids                      of the process: real, effective, saved, file system
Addresses are written as Go's package net does: an IPv4 address of an IPv6
socket is 10.0.0.1, not ::ffff:10.0.0.1. For ss's words and for everything else
that a socket has, use `diag --json`.

Examples:
  diag connections tcp
      one object: {"fd":3,"family":2,"type":1,"localaddr":{"ip":"127.0.0.1",
      "port":8000},"remoteaddr":{"ip":"0.0.0.0","port":0},"status":"LISTEN",
      "uids":[0,0,0,0],"pid":31292}
  diag connections inet --pid 31292
      the connections of one process
)";
constexpr std::string_view kInterfacesDetails =
    R"(With --json, the output is {"interfaces": [...], "all": {...}}. The keys of an
interface are those of gopsutil's net.InterfaceStat, and `counters` has those of
its net.IOCountersStat:
  index, mtu, name, hardwareAddr
  flags                     Go's words: "up", "broadcast", "loopback", ...
  addrs                     [{"addr": "192.0.2.1/24"}, ...]
  multicastAddrs            the same form, as Go's Interface.MulticastAddrs()
  counters                  bytesSent, bytesRecv, packetsSent, packetsRecv,
                            errin, errout, dropin, dropout, fifoin, fifoout
`all` has the sums of the counters. --rates adds `perSecond`, with the keys of
`counters`, and `reset`: a counter decreased.

Examples:
  diag interfaces eth0 --rates 1
      the traffic of eth0 in one second
  diag interfaces --json
      one interface: {"index":1,"mtu":65536,"name":"lo","hardwareAddr":"",
      "flags":["up","loopback"],"addrs":[{"addr":"127.0.0.1/8"}],...}
)";

constexpr std::string_view kNetstatDetails =
    R"(The command lines are those of netstat 2.10 (net-tools), and so are the output
and the exit codes: 0, 1 if a table or a family that was named is missing, 3 if
the command line has no meaning. What is better here than in netstat:
  addresses and owners are whole; --compat cuts them as netstat does
  the Send-Q of a listener is its backlog; netstat shows 0
  -p -p shows every process that holds a socket
  a table that is missing does not hide the tables after it
  a word after -c is the interval in seconds
diag does the same if it is called by the name netstat.

Examples:
  diag netstat -tlnp
      the listeners of TCP and the processes that hold them
  diag netstat -tanp --json
      the same sockets in diag's JSON
)";

constexpr std::string_view kWatchDetails =
    R"(EXPRESSION selects sockets, in the words of the listing; without -u they are
those of TCP. The lines are, in the order of their words:
  opened  the socket was not there at the look before
  state   its state has changed
  closed  the kernel has told its end, with its last counters. `unseen`: it
          lived between two looks, so that its owner is not known
  gone    it is not there any more, and the kernel has told nothing
  when    it matches the EXPRESSION of --when and did not before
`sent` and `received` are bytes; the SYN and the FIN count one each. The
duration begins when diag first saw the socket; ">" says that it is older. The
owner of an unseen connection is not known; "nginx/123?" is a guess: that one
listens at its local port.

Examples:
  diag watch -d 0.5 sport = 443
      what happens to the connections of a server
  diag watch --only when --when 'retrans > 10'
      connections that begin to lose much
)";

constexpr std::string_view kTopDetails =
    R"(EXPRESSION selects sockets, in the words of the listing; without -u they are
those of TCP. A line has the sockets of one process, or of what --by names, and
the bytes that they received and that were acknowledged to them, by second. What
no line can have is `-`: connections that lived between two looks, and sockets
whose owner diag cannot see. A socket with several owners counts for the first.
On the loopback device both ends of a connection are sockets of this host, and
each is counted.

Examples:
  diag top -b -n 1 -d 5
      what each process moved in five seconds
  diag top -b --by remote_address sport = 443
      the clients of a server
)";

constexpr std::string_view kExportDetails =
    R"(EXPRESSION selects sockets, in the words of the listing; without -u they are
those of TCP. diag looks at them every 5 seconds or as -d says, and serves what
the last look has found, so that a scrape costs the same however many sockets
there are. Without --listen and --textfile it serves at 127.0.0.1:9798.
--by makes series of each combination of values, with these labels. The first N
are kept for ever, so that a counter never falls; the largest of the first look
come first. All others are `other`. All programs that reach the address can
read everything: diag asks for no password.

Examples:
  diag export --by command
      http://127.0.0.1:9798/metrics has the bytes of each command
  diag export -d 15 --textfile /var/lib/prometheus/node-exporter/sockets.prom
      node_exporter serves the file
)";

constexpr std::string_view kWhyDetails =
    R"(A number is a port, and also a process if there is one of that number; `:443`
is a port only. The answer is about the sockets of TCP and UDP: the processes
that hold them, with executable, arguments, users, unit and container; the
listeners, with their accept queues and drops; the connections by state and by
peer; and what is unusual, with the reason why diag says so.

Examples:
  diag why :443
      who listens there, and who is connected
  diag why 10.0.0.5
      what this host has to do with an address
)";

constexpr CapabilitySet kForMarks = {CAP_NET_ADMIN};
constexpr CapabilitySet kForSockets = kForOwners | kForNamespaces;
// The listing gives up more when it knows its options.
constexpr CapabilitySet kForListing = kForSockets | kForFiles | kForMarks;

constexpr auto kCommands = std::to_array<Command>({
    {"",
     "list the sockets of this network namespace as ss does",
     {"EXPRESSION"},
     ListOptionInfos,
     RunList,
     kForListing},
    {"connections",
     "connections and their owners, as JSON with the keys of gopsutil",
     {"KIND", Values::kOneOf, KindWords},
     ConnectionsOptionInfos,
     RunConnections,
     kForSockets,
     kConnectionsDetails},
    {"interfaces",
     "network interfaces, their addresses and their traffic",
     {"NAME", Values::kInterface},
     InterfacesOptionInfos,
     RunInterfaces,
     kForNamespaces,
     kInterfacesDetails},
    {"netstat",
     "sockets in the words and columns of netstat",
     {"SECONDS"},
     NetstatOptionInfos,
     RunNetstat,
     kForSockets,
     kNetstatDetails},
    {"watch",
     "a log of sockets that open, change and close",
     {"EXPRESSION"},
     WatchOptionInfos,
     RunWatch,
     kForSockets | kForMarks,
     kWatchDetails},
    {"top",
     "who sends and receives how much",
     {"EXPRESSION"},
     TopOptionInfos,
     RunTop,
     kForSockets | kForMarks,
     kTopDetails},
    {"export",
     "metrics of sockets for Prometheus",
     {"EXPRESSION"},
     ExportOptionInfos,
     RunExport,
     CapabilitySet::All(),  // diag-export gives them up
     kExportDetails},
    {"why",
     "who uses a port, a process or an address, and what is unusual about it",
     {"PORT|PID|ADDRESS"},
     WhyOptionInfos,
     RunWhy,
     kForSockets,
     kWhyDetails},
    {"help",
     "a text about TOPIC",
     {"TOPIC", Values::kOneOf, TopicWords},
     HelpOptionInfos,
     RunHelp,
     {}},
});

}  // namespace

std::span<const Command> AllCommands() { return kCommands; }

std::span<const Command> NamedCommands() { return AllCommands().subspan(1); }

const Command& FindCommand(std::string_view word) {
  const auto named = NamedCommands();
  const auto row = std::ranges::find(named, word, &Command::name);
  return row == named.end() ? kCommands[0] : *row;
}

std::string UsageOf(const Command& command) {
  if (command.name.empty()) {
    return "diag [OPTIONS] [state NAME | exclude NAME]... [EXPRESSION]";
  }
  std::string usage = "diag " + std::string(command.name);
  if (!command.operand.name.empty()) usage.append(" [").append(command.operand.name).append("]");
  constexpr size_t kManyOptions = 10;
  const std::vector<OptionInfo> options = command.options();
  if (options.size() > kManyOptions) return usage.append(" [OPTIONS]");
  for (const OptionInfo& option : options) {
    if (option.hidden()) continue;
    usage.append(" [--").append(option.name);
    if (!option.argument.name.empty()) usage.append(" ").append(option.argument.name);
    usage.append("]");
  }
  return usage;
}

}  // namespace diag
