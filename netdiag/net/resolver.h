// netdiag/net/resolver.h — names of addresses and addresses of names, looked up beside whatever
// else is being done.
//
//   Resolver resolver;
//   resolver.Ask(address);                         // returns at once
//   resolver.Wait({.deadline = soon});             // for the answers, but not for long
//   resolver.Find(address);                        // "localhost", or "" where there is none
//
// A system's resolver blocks and cannot be stopped, so it is asked by threads of their own, at most
// Limits::threads of them, which take no signals. What is still unanswered when the caller's time
// or the resolver's patience is at an end has no name. Each answer is kept, also that there is
// none; no more than Limits::entries are.
//
// Threads: for one caller. The only part of the library whose threads may outlive it: a look-up
// that has begun is left to itself, and its thread ends with it. Nobody waits for them, not even
// the end of the program.
// Errors: of Wait() alone. A name that cannot be found is none.
// Source: getnameinfo(3), getaddrinfo(3).

#ifndef NETDIAG_NET_RESOLVER_H_
#define NETDIAG_NET_RESOLVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/netlink/conn.h"
#include "netdiag/types/address.h"

namespace netdiag {

// Of one address; empty: it has no name. Blocks.
std::string LookUpAddress(const IpAddress& address);
// Of one name, each address once; empty: there are none. Blocks.
std::vector<IpAddress> LookUpHost(const std::string& name);

class Resolver {
 public:
  using AddressLookup = std::function<std::string(const IpAddress&)>;
  using HostLookup = std::function<std::vector<IpAddress>(const std::string&)>;
  struct Limits {
    size_t threads = 16;
    size_t entries = 65536;                    // more are not looked up
    std::chrono::milliseconds patience{5000};  // over all calls of Wait()
  };

  explicit Resolver(AddressLookup address = LookUpAddress, HostLookup host = LookUpHost)
      : Resolver(std::move(address), std::move(host), Limits()) {}
  Resolver(AddressLookup address, HostLookup host, Limits limits);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Drops what was not begun.
  ~Resolver();

  // Each is looked up once, whatever the answer.
  void Ask(const IpAddress& address);
  void AskHost(const std::string& name);
  // Until all is answered. Not OK: the deadline or the patience passed, or a stop was requested;
  // what is unanswered goes on, and may be waited for again.
  absl::Status Wait(const netlink::CallOptions& call = {});
  // What was answered so far.
  std::string Find(const IpAddress& address) const;
  std::vector<IpAddress> FindHost(const std::string& name) const;

 private:
  struct State;
  // Looks something up; what it returns puts the answer where it belongs, under the lock.
  using Store = std::function<void(State*)>;
  using Job = std::function<Store()>;
  static void Work(const std::shared_ptr<State>& state);
  void Begin(Job job);

  std::shared_ptr<State> state_;  // the threads' too
  AddressLookup address_;
  HostLookup host_;
  Limits limits_;
  size_t threads_ = 0;  // started
};

}  // namespace netdiag

#endif  // NETDIAG_NET_RESOLVER_H_
