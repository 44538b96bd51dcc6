// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/resolver.h — looks up names of addresses and addresses of names on other threads.
//
//   Resolver resolver;
//   resolver.Ask(address);                         // returns at once
//   resolver.Wait({.deadline = soon});             // waits for the answers, but not for long
//   resolver.Find(address);                        // "localhost", or "" if there is no name
//
// The system's resolver blocks and cannot be interrupted, so threads of their own call it: at most
// Limits::threads, which take no signals. A look-up that is unanswered when the caller's deadline
// or the resolver's patience ends counts as having no answer. Every answer is kept, including "no
// name"; at most Limits::entries look-ups are made.
//
// Threads: for one caller. These are the only threads of the library that may outlive their object:
// a look-up that has begun cannot be stopped, and its thread ends when it does. Neither the
// destructor nor the end of the program waits for them. Errors: only Wait() returns errors. A name
// that is not found is not an error. Source: getnameinfo(3), getaddrinfo(3).

#ifndef NETDIAG_NET_RESOLVER_H_
#define NETDIAG_NET_RESOLVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/netlink/call.h"
#include "netdiag/types/address.h"

namespace netdiag {

// The name of an address; empty if it has none. Blocks.
std::string LookUpAddress(const IpAddress& address);
// The addresses of a name, each once; empty if there are none. Blocks.
std::vector<IpAddress> LookUpHost(const std::string& name);

class Resolver {
 public:
  using AddressLookup = std::function<std::string(const IpAddress&)>;
  using HostLookup = std::function<std::vector<IpAddress>(const std::string&)>;
  struct Limits {
    size_t threads = 16;
    size_t entries = 65536;                    // further look-ups are ignored
    std::chrono::milliseconds patience{5000};  // the time that all calls of Wait() have together
  };

  explicit Resolver(AddressLookup address = LookUpAddress, HostLookup host = LookUpHost)
      : Resolver(std::move(address), std::move(host), Limits()) {}
  Resolver(AddressLookup address, HostLookup host, Limits limits);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Drops the look-ups that have not begun.
  ~Resolver();

  // Start a look-up, unless the same one was started before.
  void Ask(const IpAddress& address);
  void AskHost(const std::string& name);
  // Waits until all look-ups are answered. Returns an error if the deadline or the patience ended
  // or a stop was requested. The unanswered look-ups continue, and a later Wait() may wait for
  // them.
  absl::Status Wait(const netlink::CallOptions& call = {});
  // The answers that have arrived; empty if there is none yet.
  std::string Find(const IpAddress& address) const;
  std::vector<IpAddress> FindHost(const std::string& name) const;

 private:
  struct State;
  // A Job looks something up without the lock. The Store that it returns saves the answer, under
  // the lock.
  using Store = std::function<void(State*)>;
  using Job = std::function<Store()>;
  static void Work(const std::shared_ptr<State>& state);
  void Begin(Job job);

  std::shared_ptr<State> state_;  // shared with the threads
  AddressLookup address_;
  HostLookup host_;
  Limits limits_;
  size_t threads_ = 0;  // the number of threads started
};

}  // namespace netdiag

#endif  // NETDIAG_NET_RESOLVER_H_
