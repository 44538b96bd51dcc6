// netdiag/monitor/ledger.h — Internal. What is known of each followed socket, by cookie, and the
// changes that rows and events make of it.
//
//   BeginLook(); Close() for each event; Add() for each row; Close() again; EndLook().
//
// Each socket has a record. It holds a copy of the newest message with counters, because the rows
// of TIME_WAIT and SYN_RECV have none, and the owners of the newest row with owners. When the
// socket has closed, both are freed. The record itself stays as long as looks give its cookie:
// without it, the TIME_WAIT of the connection would look like a new socket.
//
// The kernel gives sockets in nearly the same order at each look. So a record knows which one came
// after it, and the next row is looked for there first. Its memory is prefetched meanwhile.
//
// Lifetime: rows and Changes that a visitor gets are valid until it returns.
// Threads: thread-compatible.
// Cost: a lookup and a copy of the message for each row; 40 bytes a record. No allocation except
// for growth.

#ifndef NETDIAG_MONITOR_LEDGER_H_
#define NETDIAG_MONITOR_LEDGER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"

#include "netdiag/dump/table.h"
#include "netdiag/monitor.h"
#include "netdiag/monitor/block_store.h"
#include "netdiag/monitor/kept_owners.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Ledger {
 public:
  using Visitor = absl::FunctionRef<void(const Change&)>;
  using Time = std::chrono::steady_clock::time_point;

  // `from_start`: a socket that one look does not give and the next does is new.
  explicit Ledger(bool from_start);
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  void BeginLook(Time now);
  void Add(const Row& row, Visitor visitor);
  // `selects` decides about an event of a socket that is not known.
  void Close(const Row& event, absl::FunctionRef<bool(const Row&)> selects, Visitor visitor);
  // Visits what is gone, and forgets it. `summary`: of the look's dump. Sockets of a table
  // that was not read stay as they are. `follows`: whether the events of a table come.
  void EndLook(const Summary& summary, absl::FunctionRef<bool(const Table&)> follows,
               Visitor visitor);

  // Ends a look whose dump was not read to its end. Nothing is gone by that.
  void AbandonLook() { ++number_; }

  // What was counted since the last EndLook(). The look that ended last is done().
  Look& look() { return look_; }
  const Look& done() const { return done_; }
  size_t size() const { return followed_; }
  size_t memory() const;
  // Cgroups for the rows of closed sockets; null: they have none.
  void SetCgroups(Cgroups* cgroups) { cgroups_ = cgroups; }

  // For Change.
  Row LastRow(uint32_t record);
  // The owners of the listener that accepts at the local end of `row`. Empty: there is none, or it
  // is not clear which.
  Owners ListenersAt(const Row& row);

 private:
  static constexpr uint32_t kNoRecord = ~uint32_t{0};
  struct Record {
    uint64_t cookie = 0;
    std::chrono::nanoseconds first_seen{0};  // of the steady clock
    uint32_t block = BlockStore::kNone;      // the message, and behind it the links of the owners
    uint32_t look = 0;                       // the last one that gave it
    uint32_t next = kNoRecord;               // the row behind its row at the last look
    uint32_t table = 0;                      // in tables_
    uint16_t units = 0;                      // the size of the block
    uint16_t links = 0;
    uint8_t state = 0;
    uint8_t flags = 0;
  };
  static_assert(sizeof(Record) == 40);
  enum Flag : uint8_t {
    kFromStart = 1,
    kEnded = 2,        // its event has come
    kHasCounters = 4,  // the message has some
  };
  // A table that rows came from, and how.
  struct Origin {
    Table table;
    SourceKind source;
    uint32_t complete = 0;  // the last look that read it to its end; 0: none
    uint32_t listed = 0;    // the last look whose query had it
    uint32_t records = 0;
    bool read = true;       // EndLook(): the look read it to its end
    bool followed = false;  // EndLook(): its events come
    bool free = false;      // it is in free_tables_
  };
  // What a table has in common with those that cover a part of it.
  using Part = std::pair<Protocol, NetnsId>;
  static Part PartOf(const Table& table) { return {table.protocol, table.netns}; }
  struct ByCookie {
    using is_transparent = void;
    const std::deque<Record>* records;
    static size_t Hash(uint64_t cookie) { return absl::Hash<uint64_t>()(cookie); }
    size_t operator()(uint32_t i) const { return Hash((*records)[i].cookie); }
    size_t operator()(Cookie cookie) const { return Hash(cookie.value()); }
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, Cookie b) const { return (*records)[a].cookie == b.value(); }
    bool operator()(Cookie a, uint32_t b) const { return (*records)[b].cookie == a.value(); }
  };

  // The record of a cookie that a row has; kNoRecord: there is none.
  uint32_t Find(Cookie cookie) const;
  // Notes that the row of record `i` has come.
  void Follow(uint32_t i);
  void NoteListener(uint32_t i);
  uint32_t OriginOf(const Table& table, SourceKind source);
  // Gives the places of tables that are not listed any more, as of a namespace that has ended.
  void FreeTables();
  uint32_t NewRecord(const Row& row);
  void Forget(uint32_t i);
  // Frees the message and the owners.
  void Drop(uint32_t i);
  // Stores the message and the owners of `row`, as far as they tell more than what is there.
  void Keep(Record* record, const Row& row);
  void Store(Record* record, Bytes message, std::span<const KeptOwners::Link> links);
  std::span<const KeptOwners::Link> LinksOf(const Record& record) const;
  Bytes MessageOf(const Record& record) const;
  // Shows the row with the owners of the record, if it has none itself.
  void Show(ChangeKind kind, const Row& row, uint32_t record, Visitor visitor);
  void ShowUntold(const Row& row, Visitor visitor);
  void Complete(const Record& record, Row* row);
  void Sweep(uint32_t i, Visitor visitor);
  bool WasComplete(const Table& table) const;

  const bool from_start_;
  std::deque<Record> records_;  // by place; it moves no record
  std::vector<uint32_t> free_;
  absl::flat_hash_set<uint32_t, ByCookie, ByCookie> by_cookie_;
  BlockStore blocks_;
  KeptOwners owners_;
  std::deque<Origin> tables_;
  std::unordered_map<Part, std::vector<uint32_t>, absl::Hash<Part>> tables_of_;
  std::vector<uint32_t> free_tables_;
  uint32_t last_table_ = 0;
  uint32_t first_ = kNoRecord;  // of the rows of a look
  uint32_t last_ = kNoRecord;   // the row that came last in this look
  std::unordered_set<uint32_t> listeners_;
  std::vector<KeptOwners::Link> scratch_;
  Look look_;
  Look done_;
  Time now_{};
  uint32_t number_ = 1;  // of the look that runs, or is next
  size_t followed_ = 0;
  Cgroups* cgroups_ = nullptr;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_LEDGER_H_
