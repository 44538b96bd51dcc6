// tests/live/exact_testing.h — sockets that come and go while the kernel is asked for them, and a
// tally of what a dump gave.
//
//   InNewNetns([] {
//     const Crowd crowd(Kind::kUdp, 1500);      // sockets that stay
//     const Churn churn(Kind::kUdp);            // sockets that come and go
//     Tally tally;
//     DumpInto(&tally, engine, QueryOf(Kind::kUdp, Completeness::kExact));
//     const Count count = tally.Of(crowd);      // how many of the crowd were missed, how many
//     sockets came twice
//   });

#ifndef NETDIAG_TESTS_LIVE_EXACT_TESTING_H_
#define NETDIAG_TESTS_LIVE_EXACT_TESTING_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

// What sockets a test makes. All sockets of a kind stand in one bucket of the kernel's table, where
// the kernel allows it: one bucket is what a dump can be torn in.
enum class Kind : uint8_t { kUdp, kUdp6, kListeners, kConnections, kUnix, kPacket, kNetlink };

const char* NameOf(Kind kind);
Protocol ProtocolOf(Kind kind);
// Asks for all sockets of the kind.
Query QueryOf(Kind kind, Completeness completeness);

// The port of all UDP sockets and listeners.
inline constexpr uint16_t kSharedPort = 5353;

// Runs `body` in a new network namespace, with as many descriptors as the process may have.
void InCrowdedNetns(const std::function<void()>& body);
// The same, in a namespace where all sockets of the kind stand in one bucket.
void InOneBucket(Kind kind, const std::function<void()>& body);

// Makes sockets of one kind.
class Maker {
 public:
  explicit Maker(Kind kind);
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;
  ~Maker();

  // Makes one more socket and returns its descriptor. `n` distinguishes it from the Maker's other
  // sockets. The accepted end of a connection is appended to `ends`.
  int Make(uint32_t n, std::vector<int>* ends) const;

 private:
  const Kind kind_;
  int listener_ = -1;  // accepts connections; -1 if the kind needs none
};

// Sockets that live until they are removed, identified by their cookies.
class Crowd {
 public:
  Crowd(Kind kind, uint32_t count) : maker_(kind) { Add(count); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd();

  void Add(uint32_t count);
  void Remove(const std::vector<uint64_t>& cookies);
  // True if the constructor made the socket.
  bool IsFounder(uint64_t cookie) const { return founders_.contains(cookie); }
  const std::map<uint64_t, int>& sockets() const { return sockets_; }

 private:
  const Maker maker_;
  uint32_t made_ = 0;
  std::set<uint64_t> founders_;
  std::map<uint64_t, int> sockets_;  // cookie → descriptor
};

// Opens and closes sockets of the kind on a thread of its own. The constructor returns when the
// first ones were made.
class Churn {
 public:
  explicit Churn(Kind kind);
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;
  ~Churn();

 private:
  void Run(Kind kind);

  std::atomic<bool> over_{false};
  std::atomic<uint64_t> made_{0};
  std::thread thread_;
};

struct Count {
  uint64_t missed = 0;           // sockets of the crowd that were not given
  uint64_t missed_founders = 0;  // those of them that the crowd began with
  uint64_t twice = 0;            // sockets, of the crowd or not, that were given more than once
};

// How often a dump gave each socket.
class Tally {
 public:
  void Add(uint64_t cookie) { ++given_[cookie]; }
  bool Has(uint64_t cookie) const { return given_.contains(cookie); }
  Count Of(const Crowd& crowd) const;

 private:
  std::map<uint64_t, int> given_;
};

// Adds every row of the answer to the tally.
absl::StatusOr<Summary> DumpInto(Tally* tally, Engine* engine, const Query& query);

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_EXACT_TESTING_H_
