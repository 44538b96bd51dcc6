// bench/population.h — many sockets in a network namespace of their own, held by processes.
//
//   EnterPrivateNamespace();
//   Population population({.tcp = 100'000});                  // lives as long as the object
//
// The namespace keeps other sockets of the host out of all counts. It does not make dumps cheaper:
// the kernel has one hash table of TCP connections for all namespaces
// (net.ipv4.tcp_child_ehash_entries is 0), and a dump reads all of it. Programs that this process
// starts (ss, netstat, diag) run in the namespace too, so all have the same task.
//
// Threads: thread-compatible. Errors: a failure ends the program with a message. Cost: about 30 µs
// to open a TCP socket, and 10 µs to close it.

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
  // The ends of connections, a quarter of them IPv6, and ten listeners for each holder.
  int tcp = 0;
  int udp = 0;           // bound
  int unix_sockets = 0;  // connected pairs
};

class Population {
 public:
  explicit Population(const PopulationOptions& options);
  Population(const Population&) = delete;
  Population& operator=(const Population&) = delete;
  // Ends the holders and waits for them. They also end with this process, and leave no TIME_WAIT.
  ~Population();

  const std::vector<pid_t>& holders() const { return holders_; }

 private:
  std::vector<pid_t> holders_;
  int life_ = -1;  // a pipe; the holders end when its last writer, this process, closes it
};

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_POPULATION_H_
