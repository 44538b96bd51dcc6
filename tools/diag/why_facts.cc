// Tested by tests/tools/monitor_program_test.cc.

#include "tools/diag/why_facts.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/process/cgroup.h"
#include "netdiag/process/program.h"
#include "netdiag/socket/socket.h"
#include "tools/diag/monitor/change_text.h"
#include "tools/diag/names.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Endpoint;
using netdiag::InetSocket;
using netdiag::Row;
using netdiag::State;

// The answer mentions connections in CLOSE-WAIT if there are more than this.
constexpr size_t kManyCloseWaits = 10;
// Peers and listeners that are named.
constexpr size_t kNamed = 5;

std::string EndText(std::string_view protocol, const Endpoint& end) {
  std::string text(protocol);
  text.push_back(' ');
  end.AppendTo(&text);
  return text;
}

// True if the socket receives what comes: a listener of TCP, or an unconnected socket of UDP.
bool Receives(const Row& row) {
  return row.state() == State::kListen ||
         (row.protocol() == netdiag::Protocol::kUdp && row.state() == State::kClose);
}

std::string Escaped(std::string_view text) {
  std::string out;
  AppendEscaped(text, &out);
  return out;
}

// The arguments with blanks between them.
std::string ArgsText(std::string args) {
  std::ranges::replace(args, '\0', ' ');
  return Escaped(args);
}

// "3h05m ago"; empty if the procfs does not tell.
std::string AgeText(uint64_t start_time, const std::string& proc_root) {
  std::ifstream file(proc_root + "/uptime");
  double uptime = 0;
  if (start_time == 0 || !(file >> uptime)) return "";
  const double age =
      uptime - static_cast<double>(start_time) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::string text;
  AppendDuration(std::chrono::nanoseconds(static_cast<int64_t>(std::max(age, 0.0) * 1e9)), &text);
  return text.append(" ago");
}

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text.append(text.empty() ? "" : ", ").append(part);
  return text;
}

}  // namespace

// ---- Collecting ----

void WhyFacts::Add(const Row& row) {
  const InetSocket* const socket = row.inet();
  if (socket == nullptr) return;
  ++rows_;
  const std::string end = EndText(netdiag::Names(row.protocol()).word, socket->local());
  const bool receives = Receives(row);
  if (receives) {
    const netdiag::IpAddress& address = socket->local().address;
    const auto memory = row.memory();
    listeners_.push_back(
        {.end = end,
         .any_address = address.IsUnspecified(),
         .loopback = address.Unmapped().IsLoopback(),
         .queue = row.state() == State::kListen ? row.receive_queue() : 0,
         .backlog = row.state() == State::kListen ? row.send_queue() : 0,
         .drops = memory ? (*memory)[netdiag::SocketMemory::Field("drops")].value_or(0) : 0});
  } else {
    ++states_[row.state()];
    std::string peer;
    socket->remote().address.AppendTo(&peer);
    ++peers_[peer];
    close_waits_ += row.state() == State::kCloseWait;
    const auto info = row.tcp_info();
    if (info && (*info)[netdiag::TcpInfo::Field("retransmits")].value_or(0) > 0) {
      ++retransmits_[peer];
    }
  }
  if (row.owners().empty() && row.inode() != netdiag::Inode()) ++unowned_;
  for (const netdiag::Owner& owner : row.owners()) {
    WhyProcess& process = processes_[owner.pid.value()];
    process.owner = owner;
    process.command = owner.command;
    process.owner.command = {};
    if (const netdiag::Program* program = row.ProgramOf(owner)) {
      process.exe = program->exe;
      process.args = program->args;
      process.args_unread = program->args_unread;
    }
    if (row.cgroup() != nullptr) {
      process.unit = row.cgroup()->unit;
      process.container = row.cgroup()->container;
    }
    if (row.uid()) process.users.insert(*row.uid());
    if (receives) {
      process.listens.insert(end);
    } else {
      ++process.connections;
    }
  }
}

std::vector<std::pair<std::string, size_t>> WhyFacts::Peers() const {
  std::vector<std::pair<std::string, size_t>> peers(peers_.begin(), peers_.end());
  std::ranges::stable_sort(peers, [](const auto& a, const auto& b) { return a.second > b.second; });
  return peers;
}

std::vector<std::string> WhyFacts::Unusual() const {
  std::vector<std::string> unusual;
  for (const auto& [pid, process] : processes_) {
    if (process.exe.ends_with(" (deleted)")) {
      unusual.push_back(Escaped(process.command) + "/" + std::to_string(pid) +
                        " runs an executable that has been removed or replaced since it "
                        "started; restart it to run the present one");
    }
  }
  for (const WhyListener& listener : listeners_) {
    if (listener.any_address) {
      unusual.push_back(listener.end +
                        " takes what comes to any address of this host, from every network that "
                        "reaches it and that no firewall stops");
    }
    if (listener.backlog > 0 && listener.queue > listener.backlog) {
      unusual.push_back(listener.end + " has a full accept queue (" +
                        std::to_string(listener.queue) + " wait, backlog " +
                        std::to_string(listener.backlog) +
                        "): the kernel drops new connections, because the process does not "
                        "accept them fast enough");
    }
    if (listener.drops > 0) {
      unusual.push_back(listener.end + " has dropped " + std::to_string(listener.drops) +
                        " packets, because a queue or buffer was full");
    }
  }
  if (close_waits_ > kManyCloseWaits) {
    unusual.push_back(std::to_string(close_waits_) +
                      " connections are in CLOSE-WAIT: the other end has closed them, and the "
                      "process has not; it probably leaks descriptors");
  }
  for (const auto& [peer, count] : retransmits_) {
    unusual.push_back(std::to_string(count) + " connections with " + peer +
                      " retransmit now: the peer or the way to it does not answer");
  }
  if (unowned_ > 0) {
    unusual.push_back(std::to_string(unowned_) +
                      " sockets have no owner that diag can see; run it as root to see the "
                      "processes of other users");
  }
  return unusual;
}

// ---- The answer ----

namespace {

void AppendProcess(int32_t pid, const WhyProcess& process, const std::string& proc_root,
                   Names* names, std::string* out) {
  out->append(Escaped(process.command)).append(" (process ").append(std::to_string(pid));
  const std::string age = AgeText(process.owner.start_time, proc_root);
  out->append(", started ").append(age.empty() ? "at an unknown time" : age).append(")\n");
  const auto line = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    std::string head = "  " + std::string(name);
    head.resize(16, ' ');
    out->append(head).append(value).append("\n");
  };
  line("executable", process.exe.empty() ? "may not be read" : Escaped(process.exe));
  line("arguments", process.args_unread ? "may not be read" : ArgsText(process.args));
  std::vector<std::string> users;
  for (const netdiag::Uid uid : process.users) names->AppendUser(uid, &users.emplace_back());
  line("user", Join(users));
  line("unit", Escaped(process.unit));
  line("container", Escaped(process.container));
  std::vector<std::string> listens(process.listens.begin(), process.listens.end());
  line("listens on", Join(listens));
  if (process.connections > 0) line("connections", std::to_string(process.connections));
}

void AppendListeners(const WhyFacts& facts, std::string* out) {
  for (const WhyListener& listener : facts.listeners()) {
    out->append("  ").append(listener.end);
    if (listener.any_address) out->append("  every address");
    if (listener.loopback) out->append("  this host only");
    if (listener.backlog > 0) {
      out->append("  ").append(std::to_string(listener.queue)).append(" of ");
      out->append(std::to_string(listener.backlog)).append(" wait for accept()");
    }
    out->append("  drops ").append(std::to_string(listener.drops)).append("\n");
  }
}

}  // namespace

std::string WhyText(const WhyFacts& facts, const std::string& subject,
                    const std::string& proc_root) {
  std::string out = subject + "\n";
  if (facts.empty()) return out.append("no socket of TCP or UDP\n");
  Names names({.proc_root = proc_root});
  out.append("\nWho\n");
  for (const auto& [pid, process] : facts.processes()) {
    AppendProcess(pid, process, proc_root, &names, &out);
  }
  if (facts.processes().empty()) out.append("  no process that diag can see\n");
  if (!facts.listeners().empty()) {
    out.append("\nListening\n");
    AppendListeners(facts, &out);
  }
  if (!facts.states().empty()) {
    out.append("\nConnected\n ");
    for (const auto& [state, count] : facts.states()) {
      out.append(" ").append(netdiag::Names(state).ss).append(" ").append(std::to_string(count));
    }
    out.append("\n");
    const auto peers = facts.Peers();
    for (size_t i = 0; i < std::min(peers.size(), kNamed); ++i) {
      out.append("  ").append(peers[i].first).append("  ").append(std::to_string(peers[i].second));
      out.append("\n");
    }
    if (peers.size() > kNamed) {
      out.append("  and ").append(std::to_string(peers.size() - kNamed)).append(" more peers\n");
    }
  }
  out.append("\nUnusual\n");
  const std::vector<std::string> unusual = facts.Unusual();
  for (const std::string& sentence : unusual) out.append("  ").append(sentence).append("\n");
  if (unusual.empty()) out.append("  nothing\n");
  return out;
}

}  // namespace diag
