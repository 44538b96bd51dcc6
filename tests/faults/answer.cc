// Asks the library one question, and writes what a program sees of the answer, a line each:
//
//   socket INODE STATE LOCAL REMOTE
//   owner INODE DESCRIPTOR COMMAND
//   gap MESSAGE        what Summary::Gaps() or another outcome says is missing
//   error MESSAGE      the call failed; the exit code is 1
//
//   answer SCENARIO [FILTER]
//
// tests/faults/faults.py compares the answer with that of another host. SCENARIO: a row of
// kScenarios.

#include <array>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/connections.h"
#include "netdiag/engine.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor.h"
#include "netdiag/net/interfaces.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/summary.h"
#include "netdiag/types/error.h"
#include "netdiag/unlisted.h"

namespace netdiag {
namespace {

void Write(std::string line) {
  line.push_back('\n');
  fwrite(line.data(), 1, line.size(), stdout);
}

std::string Number(uint64_t value) { return std::to_string(value); }

void WriteGap(const absl::Status& status) {
  if (!status.ok()) Write("gap " + std::string(status.message()));
}
void WriteGaps(const Summary& summary) {
  for (const absl::Status& gap : summary.Gaps()) WriteGap(gap);
}

void WriteOwners(Inode inode, const Owners& owners) {
  for (const Owner owner : owners) {
    Write("owner " + Number(inode.value()) + " " + std::to_string(owner.fd) + " " +
          std::string(owner.command));
  }
}

void WriteEnds(const Endpoint& local, const Endpoint& remote, std::string* line) {
  line->push_back(' ');
  local.AppendTo(line);
  line->push_back(' ');
  remote.AppendTo(line);
}

Flow WriteRow(const Row& row) {
  std::string line =
      "socket " + Number(row.inode().value()) + " " + std::string(Names(row.state()).ss);
  if (const InetSocket* const socket = row.inet()) {
    WriteEnds(socket->local(), socket->remote(), &line);
  }
  Write(line);
  WriteOwners(row.inode(), row.owners());
  return Flow::kContinue;
}

// What a scenario asks.
struct Question {
  EngineOptions options = {};
  Query query = {.owners = true};
};

absl::Status Visit(const Question& question) {
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(question.options));
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary, engine->Visit(question.query, WriteRow));
  WriteGaps(summary);
  return absl::OkStatus();
}

absl::Status Step(const Question& question) {
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(question.options));
  NETDIAG_RETURN_IF_ERROR(engine->Begin(question.query));
  for (;;) {
    NETDIAG_ASSIGN_OR_RETURN(const netlink::Ready ready, engine->Step(WriteRow));
    if (ready == netlink::Ready::kDone) break;
  }
  WriteGaps(engine->summary());
  return absl::OkStatus();
}

absl::Status Take(const Question& question) {
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(question.options));
  NETDIAG_ASSIGN_OR_RETURN(const Snapshot snapshot, engine->Take(question.query));
  for (const Row row : snapshot) WriteRow(row);
  WriteGaps(snapshot.summary());
  return absl::OkStatus();
}

absl::Status Watch(const Question& question) {
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(question.options));
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Monitor> monitor,
                           Monitor::Open(engine.get(), question.query));
  NETDIAG_ASSIGN_OR_RETURN(
      const Look look, monitor->Poll([](const Change& change) { return WriteRow(change.row()); }));
  WriteGaps(look.query);
  WriteGap(look.no_events);
  return absl::OkStatus();
}

absl::Status ListConnections(const Question&) {
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary, VisitConnections({}, [](const Connection& row) {
                             std::string line = "socket " + Number(row.inode.value()) + " " +
                                                std::string(row.status());
                             WriteEnds(row.local, row.remote, &line);
                             Write(line);
                             for (const Holder& holder : row.holders) {
                               Write("owner " + Number(row.inode.value()) + " " +
                                     std::to_string(holder.fd) + (holder.uids ? " uids" : ""));
                             }
                             return Flow::kContinue;
                           }));
  WriteGaps(summary);
  return absl::OkStatus();
}

absl::Status ListUnlisted(const Question& question) {
  NETDIAG_ASSIGN_OR_RETURN(const UnlistedStats stats,
                           VisitUnlisted(question.options,
                                         [](const UnlistedSocket& socket) {
                                           Write("socket " + Number(socket.inode.value()) + " " +
                                                 std::string(socket.protocol));
                                           WriteOwners(socket.inode, socket.owners);
                                           return Flow::kContinue;
                                         },
                                         {}, {.filter = question.query.filter}));
  WriteGaps({.owners = stats.owners});
  WriteGap(stats.left_out_reason);
  return absl::OkStatus();
}

absl::Status ListInterfaces(const Question&) {
  NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open());
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<Interface> interfaces, reader.List());
  for (const Interface& each : interfaces) Write("interface " + each.name);
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<InterfaceAddress> addresses, reader.Addresses());
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<GroupMembership> groups, reader.Groups());
  std::string line;
  for (const InterfaceAddress& each : addresses) {
    line.assign("address ");
    each.prefix.address.AppendTo(&line);
    Write(line);
  }
  for (const GroupMembership& each : groups) {
    line.assign("group ");
    each.group.AppendTo(&line);
    Write(line);
  }
  return absl::OkStatus();
}

struct Scenario {
  std::string_view name;
  absl::Status (*ask)(const Question&);
  void (*prepare)(Question*);
};
constexpr auto kScenarios = std::to_array<Scenario>({
    {"visit", Visit, [](Question*) {}},
    {"threads", Visit, [](Question* q) { q->options.threads = 2; }},
    {"proc-net", Visit, [](Question* q) { q->options.source = RowSource::kProc; }},
    {"table", Visit, [](Question* q) { q->options.source = RowSource::kTable; }},
    {"owners-by-proc", Visit, [](Question* q) { q->options.owner_source = OwnerSource::kProc; }},
    {"owners-by-bpf", Visit, [](Question* q) { q->options.owner_source = OwnerSource::kBpf; }},
    {"first-owner", Visit, [](Question* q) { q->query.owner_policy = OwnerPolicy::kFirst; }},
    {"cached-owners", Visit, [](Question* q) { q->query.owner_policy = OwnerPolicy::kCached; }},
    {"exact", Visit, [](Question* q) { q->query.completeness = Completeness::kExact; }},
    {"all-netns", Visit, [](Question* q) { q->options.all_netns = true; }},
    {"step", Step, [](Question*) {}},
    {"take", Take, [](Question*) {}},
    {"monitor", Watch, [](Question*) {}},
    {"connections", ListConnections, [](Question*) {}},
    {"unlisted", ListUnlisted, [](Question* q) { q->options.all_netns = true; }},
    {"interfaces", ListInterfaces, [](Question*) {}},
});

absl::Status Answer(std::string_view name, std::string_view filter) {
  for (const Scenario& scenario : kScenarios) {
    if (scenario.name != name) continue;
    Question question;
    scenario.prepare(&question);
    if (!filter.empty()) {
      NETDIAG_ASSIGN_OR_RETURN(Filter parsed, Filter::Parse(filter));
      question.query.filter = std::make_shared<const Filter>(std::move(parsed));
    }
    return scenario.ask(question);
  }
  return BadInput("SCENARIO", name, "there is no such scenario");
}

}  // namespace
}  // namespace netdiag

// A visitor of this program may throw, because it allocates.
int main(int argc, char** argv) try {
  const absl::Status status = netdiag::Answer(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
  if (!status.ok()) {
    netdiag::Write("error " + std::string(status.message()));
  }
  return status.ok() && fflush(stdout) == 0 ? 0 : 1;
} catch (const std::bad_alloc&) {
  std::puts("error out of memory");
  return 1;
}
