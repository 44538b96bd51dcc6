// Tested by tests/net/resolver_test.cc.

#include "netdiag/net/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <netdb.h>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"

#include "netdiag/types/error.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag {

struct Resolver::State {
  std::mutex mutex;
  std::condition_variable asked;
  std::condition_variable_any answered;
  // `mutex` guards the rest. nullopt: not answered yet.
  std::map<IpAddress, std::optional<std::string>> names;
  std::map<std::string, std::optional<std::vector<IpAddress>>> hosts;
  std::deque<Job> queue;
  size_t unanswered = 0;
  bool over = false;
};

std::string LookUpAddress(const IpAddress& asked) {
  const IpAddress address = asked.Unmapped();  // name servers have names for the IPv4 address
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_in);
  const std::span<const uint8_t> octets = address.octets();
  if (address.family() == Family::kInet) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, octets.data(), octets.size());
    std::memcpy(&storage, &v4, sizeof(v4));
  } else {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
    std::memcpy(&storage, &v6, sizeof(v6));
    size = sizeof(v6);
  }
  char name[NI_MAXHOST] = "";
  const int error = getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, name,
                                sizeof(name), nullptr, 0, NI_NAMEREQD);
  return error == 0 ? name : "";
}

std::vector<IpAddress> LookUpHost(const std::string& name) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<IpAddress> addresses;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    IpAddress address;
    if (entry->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(entry->ai_addr);
      address =
          IpAddress::FromNetwork(Family::kInet, std::as_bytes(std::span(&v4->sin_addr, size_t{1})));
    } else if (entry->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(entry->ai_addr);
      address = IpAddress::FromNetwork(Family::kInet6,
                                       std::as_bytes(std::span(&v6->sin6_addr, size_t{1})));
    } else {
      continue;
    }
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

Resolver::Resolver(AddressLookup address, HostLookup host, Limits limits)
    : state_(std::make_shared<State>()),
      address_(std::move(address)),
      host_(std::move(host)),
      limits_(limits) {}

Resolver::~Resolver() {
  const std::lock_guard lock(state_->mutex);
  state_->over = true;
  state_->asked.notify_all();
}

void Resolver::Work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->asked.wait(lock, [&] { return state->over || !state->queue.empty(); });
    if (state->over) return;
    const Job job = std::move(state->queue.front());
    state->queue.pop_front();
    lock.unlock();
    const Store store = job();
    lock.lock();
    store(state.get());
    --state->unanswered;
    state->answered.notify_all();
  }
}

// REQUIRES: the lock is held.
void Resolver::Begin(Job job) {
  state_->queue.push_back(std::move(job));
  ++state_->unanswered;
  state_->asked.notify_one();
  if (threads_ >= std::min(limits_.threads, state_->unanswered)) return;
  absl::StatusOr<internal::QuietThread> thread =
      internal::StartQuietThread([state = state_] { Work(state); });
  // If no thread can be started, the threads that run do the work. If none runs, the question is
  // never answered.
  if (!thread.ok()) return;
  thread->detach();
  ++threads_;
}

void Resolver::Ask(const IpAddress& address) {
  const std::lock_guard lock(state_->mutex);
  if (state_->names.size() + state_->hosts.size() >= limits_.entries) return;
  if (!state_->names.try_emplace(address).second) return;
  Begin([lookup = address_, address]() -> Store {
    return [address, name = lookup(address)](State* state) { state->names[address] = name; };
  });
}

void Resolver::AskHost(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  if (state_->names.size() + state_->hosts.size() >= limits_.entries) return;
  if (!state_->hosts.try_emplace(name).second) return;
  Begin([lookup = host_, name]() -> Store {
    return [name, found = lookup(name)](State* state) { state->hosts[name] = found; };
  });
}

absl::Status Resolver::Wait(const netlink::CallOptions& call) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(state_->mutex);
  const auto answered = [&] { return state_->unanswered == 0; };
  if (threads_ > 0) {
    const auto end = start + limits_.patience;
    state_->answered.wait_until(lock, call.stop,
                                call.deadline ? std::min(end, *call.deadline) : end, answered);
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    limits_.patience = std::max(limits_.patience - spent, std::chrono::milliseconds(0));
  }
  if (answered()) return absl::OkStatus();
  return call.stop.stop_requested() ? CancelledError("look-up") : TimeoutError("look-up");
}

std::string Resolver::Find(const IpAddress& address) const {
  const std::lock_guard lock(state_->mutex);
  const auto place = state_->names.find(address);
  return place == state_->names.end() ? "" : place->second.value_or("");
}

std::vector<IpAddress> Resolver::FindHost(const std::string& name) const {
  const std::lock_guard lock(state_->mutex);
  const auto place = state_->hosts.find(name);
  if (place == state_->hosts.end() || !place->second) return {};
  return *place->second;
}

}  // namespace netdiag
