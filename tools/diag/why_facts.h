// tools/diag/why_facts.h — what `diag why` finds out about a port, a process or an address, and
// what of it is unusual. Tested by tests/tools/monitor_program_test.cc.

#ifndef NETDIAG_TOOLS_DIAG_WHY_FACTS_H_
#define NETDIAG_TOOLS_DIAG_WHY_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "netdiag/process/owner.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"

namespace diag {

// One process that holds sockets of the answer.
struct WhyProcess {
  netdiag::Owner owner;  // its command is a copy: see `command`
  std::string command;
  std::string exe, args;  // of Program; empty: not known
  bool args_unread = true;
  std::string unit, container;
  std::set<netdiag::Uid> users;
  std::set<std::string> listens;  // "tcp 0.0.0.0:443", escaped
  size_t connections = 0;
};

// A listener.
struct WhyListener {
  std::string end;  // "tcp [::]:443"
  bool any_address = false;
  bool loopback = false;
  uint64_t queue = 0;    // connections that wait for accept()
  uint64_t backlog = 0;  // how many can
  uint64_t drops = 0;    // segments that the socket has dropped
};

class WhyFacts {
 public:
  void Add(const netdiag::Row& row);

  const std::map<int32_t, WhyProcess>& processes() const { return processes_; }
  const std::vector<WhyListener>& listeners() const { return listeners_; }
  // The number of connections and UDP sockets in each state.
  const std::map<netdiag::State, size_t>& states() const { return states_; }
  // Remote addresses and how many connections each has, the most first.
  std::vector<std::pair<std::string, size_t>> Peers() const;
  size_t unowned() const { return unowned_; }
  bool empty() const { return rows_ == 0; }

  // What is unusual, each a sentence that says why it is said.
  std::vector<std::string> Unusual() const;

 private:
  size_t rows_ = 0;
  std::map<int32_t, WhyProcess> processes_;
  std::vector<WhyListener> listeners_;
  std::map<netdiag::State, size_t> states_;
  std::map<std::string, size_t> peers_;
  std::map<std::string, uint64_t> retransmits_;  // connections that retransmit now, by peer
  size_t close_waits_ = 0;
  size_t unowned_ = 0;  // sockets that a process could hold, and whose owner is not seen
};

// Returns the answer as text. `subject` is what it is about, for example "port 443".
std::string WhyText(const WhyFacts& facts, const std::string& subject,
                    const std::string& proc_root);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_WHY_FACTS_H_
