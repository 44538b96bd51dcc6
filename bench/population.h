// bench/population.h — many sockets, held by real processes, in a network namespace of their own.
//
//   EnterPrivateNamespace();
//   Population population({.tcp = 100'000});                  // lives as long as the object
//
// The namespace keeps the host's sockets out of every count. It makes nothing cheaper: the kernel
// has one hash table of TCP connections for all namespaces (net.ipv4.tcp_child_ehash_entries is 0),
// and a dump walks all of it. What this process starts (ss, netstat, diag) runs in the namespace
// too, so all are asked the same.
//
// Threads: thread-compatible. Errors: a machine that cannot do it ends the program, saying why.
// Cost: about 30 µs a TCP socket to set up, 10 to tear down.

#ifndef NETDIAG_BENCH_POPULATION_H_
#define NETDIAG_BENCH_POPULATION_H_

#include <sys/types.h>

#include <string_view>
#include <vector>

namespace netdiag::bench {

// Ends the program with 2: "bench: what: text of errno".
[[noreturn]] void Die(std::string_view what);

// Moves this process into a new network namespace whose loopback is up. Needs root.
void EnterPrivateNamespace();

struct PopulationOptions {
  // Both ends of connections, a quarter of them IPv6, and ten listeners for each holder.
  int tcp = 0;
  int udp = 0;           // bound
  int unix_sockets = 0;  // connected pairs
};

class Population {
 public:
  explicit Population(const PopulationOptions& options);
  Population(const Population&) = delete;
  Population& operator=(const Population&) = delete;
  // Ends the holders and waits for them. They end with this process too, however it ends, and leave
  // no TIME_WAIT.
  ~Population();

  const std::vector<pid_t>& holders() const { return holders_; }

 private:
  std::vector<pid_t> holders_;
  int life_ = -1;  // holders live until its last writer, this process, has gone
};

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_POPULATION_H_
