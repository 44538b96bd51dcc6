// tools/diag/resolver.h — names of addresses, by reverse DNS beside the listing.
//
//   Resolver resolver;
//   resolver.Ask(address);          // returns at once
//   resolver.Wait();                // for the answers, but not for long
//   resolver.Find(address);         // "localhost", or "" where there is none
//
// A system's resolver blocks and cannot be stopped, so it is asked by threads of their own, which
// take no signals. What is still unanswered when the patience is at an end stays a number, and the
// threads are left to themselves: nobody waits for them, not even the end of the program.
// Threads: for one caller.

#ifndef NETDIAG_TOOLS_DIAG_RESOLVER_H_
#define NETDIAG_TOOLS_DIAG_RESOLVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "netdiag/types/address.h"

namespace diag {

// Of one address; empty: it has no name. getnameinfo(3).
std::string SystemLookup(const netdiag::IpAddress& address);

class Resolver {
 public:
  using Lookup = std::function<std::string(const netdiag::IpAddress&)>;
  struct Limits {
    size_t threads = 16;
    size_t addresses = 65536;                  // more stay numbers
    std::chrono::milliseconds patience{5000};  // over all calls of Wait()
  };

  explicit Resolver(Lookup lookup = SystemLookup) : Resolver(std::move(lookup), Limits()) {}
  Resolver(Lookup lookup, Limits limits);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // An address is asked for once, whatever the answer.
  void Ask(const netdiag::IpAddress& address);
  void Wait();
  std::string Find(const netdiag::IpAddress& address) const;

 private:
  struct State;
  static void Work(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;  // the threads' too
  Limits limits_;
  size_t threads_ = 0;  // started
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_RESOLVER_H_
