// Tested by tests/tools/resolver_test.cc.

#include "tools/diag/resolver.h"

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
#include <signal.h>
#include <system_error>
#include <thread>
#include <utility>

namespace diag {

using netdiag::Family;
using netdiag::IpAddress;

struct Resolver::State {
  explicit State(Lookup given) : lookup(std::move(given)) {}

  const Lookup lookup;
  std::mutex mutex;
  std::condition_variable asked;
  std::condition_variable answered;
  // Guarded by `mutex`.
  std::map<IpAddress, std::optional<std::string>> names;  // nullopt: not answered yet
  std::deque<IpAddress> queue;
  size_t unanswered = 0;
  bool over = false;
};

std::string SystemLookup(const IpAddress& asked) {
  const IpAddress address = asked.Unmapped();  // the name server knows that one

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

Resolver::Resolver(Lookup lookup, Limits limits)
    : state_(std::make_shared<State>(std::move(lookup))), limits_(limits) {}

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
    const IpAddress address = state->queue.front();
    state->queue.pop_front();
    lock.unlock();
    std::string name = state->lookup(address);
    lock.lock();
    state->names[address] = std::move(name);
    --state->unanswered;
    state->answered.notify_all();
  }
}

void Resolver::Ask(const IpAddress& address) {
  const std::lock_guard lock(state_->mutex);
  if (state_->names.size() >= limits_.addresses) return;
  if (!state_->names.try_emplace(address).second) return;
  state_->queue.push_back(address);
  ++state_->unanswered;
  state_->asked.notify_one();
  if (threads_ >= std::min(limits_.threads, state_->unanswered)) return;
  // A new thread inherits the mask: signals stay the caller's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([state = state_] { Work(state); }).detach();
    ++threads_;
  } catch (const std::system_error&) {
    // Those that run already do the work; without any, addresses stay numbers.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Resolver::Wait() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(state_->mutex);
  if (threads_ == 0) return;
  state_->answered.wait_for(lock, limits_.patience, [&] { return state_->unanswered == 0; });
  const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - start);
  limits_.patience = std::max(limits_.patience - spent, std::chrono::milliseconds(0));
}

std::string Resolver::Find(const IpAddress& address) const {
  const std::lock_guard lock(state_->mutex);
  const auto place = state_->names.find(address);
  return place == state_->names.end() ? "" : place->second.value_or("");
}

}  // namespace diag
