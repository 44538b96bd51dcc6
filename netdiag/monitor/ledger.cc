// Tested by tests/monitor/ledger_test.cc.

#include "netdiag/monitor/ledger.h"

#include <algorithm>
#include <cstring>

#include "netdiag/engine/row_maker.h"
#include "netdiag/monitor/make_room.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"

namespace netdiag::internal {
namespace {

using Link = KeptOwners::Link;

// About what the standard library takes for an entry of a set.
constexpr size_t kListenerNode = 40;

// Where the links are in a block.
size_t LinksAt(size_t message) { return (message + 7) / 8 * 8; }

// True if sockets of a protocol have cookies of their own.
bool HasOwnCookie(const Row& row) {
  return row.cookie() != Cookie() && row.protocol() != Protocol::kMptcp &&
         row.protocol() != Protocol::kSctp;
}

// False for what the kernel keeps of a connection in TIME_WAIT or SYN_RECV.
bool HasCounters(const Row& row) { return row.tcp_info() || row.memory(); }

// The part of a table that does not change between queries.
bool Covers(const Table& table, const Table& part) {
  return table.protocol == part.protocol && table.netns == part.netns &&
         table.families.intersects(part.families);
}

}  // namespace

Ledger::Ledger(bool from_start)
    : from_start_(from_start), by_cookie_(0, ByCookie{&records_}, ByCookie{&records_}) {}

void Ledger::BeginLook(Time now) {
  if (number_ > 1) look_.interval = now - now_;
  look_.number = number_;
  now_ = now;
  last_ = kNoRecord;
}

// ---- Tables ----

uint32_t Ledger::OriginOf(const Table& table, SourceKind source) {
  const auto is = [&](uint32_t i) {
    return tables_[i].source == source && tables_[i].table == table;
  };
  if (last_table_ < tables_.size() && !tables_[last_table_].free && is(last_table_)) {
    return last_table_;
  }
  std::vector<uint32_t>& places = tables_of_[PartOf(table)];
  const auto known = std::ranges::find_if(places, is);
  if (known != places.end()) return last_table_ = *known;
  if (free_tables_.empty()) {
    tables_.emplace_back();
    free_tables_.push_back(static_cast<uint32_t>(tables_.size() - 1));
  }
  places.push_back(free_tables_.back());
  free_tables_.pop_back();
  tables_[places.back()] = Origin{.table = table, .source = source, .listed = number_};
  return last_table_ = places.back();
}

void Ledger::FreeTables() {
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    Origin& origin = tables_[i];
    if (origin.free || origin.records > 0 || origin.listed == number_) continue;
    const auto places = tables_of_.find(PartOf(origin.table));
    std::erase(places->second, i);
    if (places->second.empty()) tables_of_.erase(places);
    origin.free = true;
    free_tables_.push_back(i);
  }
}

// True if the look before read the table to its end, so that a socket which it did not give is new.
bool Ledger::WasComplete(const Table& table) const {
  if (!from_start_ || number_ == 1) return false;
  const auto places = tables_of_.find(PartOf(table));
  return places != tables_of_.end() && std::ranges::any_of(places->second, [&](uint32_t i) {
           return tables_[i].complete + 1 == number_ && Covers(tables_[i].table, table);
         });
}

// ---- Records ----

uint32_t Ledger::Find(Cookie cookie) const {
  const uint32_t guess = last_ == kNoRecord ? first_ : records_[last_].next;
  if (guess != kNoRecord && records_[guess].cookie == cookie.value()) return guess;
  const auto known = by_cookie_.find(cookie);
  return known == by_cookie_.end() ? kNoRecord : *known;
}

void Ledger::Follow(uint32_t i) {
  (last_ == kNoRecord ? first_ : records_[last_].next) = i;
  last_ = i;
  // The next row needs its record, which was prefetched one row ago, and its message.
  const uint32_t next = records_[i].next;
  if (next == kNoRecord) return;
  const Record& record = records_[next];
  if (record.next != kNoRecord) __builtin_prefetch(&records_[record.next]);
  if (record.block == BlockStore::kNone) return;
  constexpr size_t kLine = 64, kMost = 512;
  const size_t size = std::min(record.units * BlockStore::kUnit, kMost);
  const std::byte* const block = blocks_.At(record.block);
  for (size_t at = 0; at < size; at += kLine) __builtin_prefetch(block + at, /*rw=*/1);
}

uint32_t Ledger::NewRecord(const Row& row) {
  MakeRoom(&by_cookie_);
  if (free_.empty()) {
    records_.emplace_back();
    free_.push_back(static_cast<uint32_t>(records_.size() - 1));
  }
  const uint32_t i = free_.back();
  free_.pop_back();
  Record& record = records_[i];
  record = Record{.cookie = row.cookie().value(),
                  .first_seen = now_.time_since_epoch(),
                  .look = number_,
                  .table = OriginOf(row.table(), row.source())};
  ++tables_[record.table].records;
  if (WasComplete(row.table())) record.flags |= kFromStart;
  by_cookie_.insert(i);
  ++followed_;
  return i;
}

void Ledger::Forget(uint32_t i) {
  Record& record = records_[i];
  if ((record.flags & kEnded) == 0) --followed_;
  Drop(i);
  by_cookie_.erase(Cookie(record.cookie));
  --tables_[record.table].records;
  record = Record{};
  free_.push_back(i);
}

void Ledger::Drop(uint32_t i) {
  listeners_.erase(i);
  Record& record = records_[i];
  if (record.block == BlockStore::kNone) return;
  owners_.Release(LinksOf(record));
  blocks_.Free(record.block, record.units);
  record.block = BlockStore::kNone;
  record.units = record.links = 0;
}

Bytes Ledger::MessageOf(const Record& record) const {
  const std::byte* const begin = blocks_.At(record.block);
  netlink::Header header;
  std::memcpy(&header, begin, sizeof(header));
  return {begin, header.length};
}

std::span<const Link> Ledger::LinksOf(const Record& record) const {
  if (record.links == 0) return {};
  const Bytes message = MessageOf(record);
  return {reinterpret_cast<const Link*>(message.data() + LinksAt(message.size())), record.links};
}

void Ledger::Keep(Record* record, const Row& row) {
  const uint32_t table = OriginOf(row.table(), row.source());
  --tables_[record->table].records;
  ++tables_[table].records;
  record->look = number_;
  record->state = static_cast<uint8_t>(row.state());
  const bool has_counters = HasCounters(row);
  const bool is_first = record->block == BlockStore::kNone;
  Bytes message = row.message().whole();
  if (is_first || has_counters || (record->flags & kHasCounters) == 0) {
    record->table = table;
    if (has_counters) record->flags |= kHasCounters;
  } else {
    --tables_[table].records;
    ++tables_[record->table].records;
    message = MessageOf(*record);
  }
  const Owners owners = row.owners();
  const std::span<const Link> links = LinksOf(*record);
  if (owners.empty() || owners_.Matches(links, owners)) {
    scratch_.assign(links.begin(), links.end());
    Store(record, message, scratch_);
    return;
  }
  scratch_.resize(std::min<size_t>(owners.size(), 1024));
  owners_.Keep(owners, scratch_);
  owners_.Release(links);
  Store(record, message, scratch_);
}

void Ledger::Store(Record* record, Bytes message, std::span<const Link> links) {
  const size_t at = LinksAt(message.size());
  const size_t units = BlockStore::UnitsOf(at + links.size_bytes());
  const uint32_t old = record->block;
  if (old == BlockStore::kNone || units != record->units) record->block = blocks_.Get(units);
  if (record->block != BlockStore::kNone) {
    std::byte* const block = blocks_.At(record->block);
    if (message.data() != block) std::memcpy(block, message.data(), message.size());
    if (!links.empty()) std::memcpy(block + at, links.data(), links.size_bytes());
    record->links = static_cast<uint16_t>(links.size());
  } else {  // no kernel sends a message of this size
    owners_.Release(links);
    record->links = 0;
  }
  if (old != BlockStore::kNone && old != record->block) blocks_.Free(old, record->units);
  record->units = static_cast<uint16_t>(record->block == BlockStore::kNone ? 0 : units);
}

// ---- Listeners ----

Owners Ledger::ListenersAt(const Row& row) {
  const InetSocket* const socket = row.inet();
  const bool is_connection = row.protocol() == Protocol::kTcp && socket != nullptr &&
                             row.state() != State::kListen && socket->remote_port() != Port();
  if (!is_connection) return {};
  const IpAddress address = socket->local().address.Unmapped();
  const auto process_of = [&](uint32_t i) { return LinksOf(records_[i])[0].process; };
  uint32_t found = kNoRecord;
  bool is_exact = false;
  bool is_unclear = false;
  for (const uint32_t i : listeners_) {
    const Record& record = records_[i];
    const Origin& origin = tables_[record.table];
    if (origin.table.netns != row.table().netns || record.links == 0) continue;
    const Row listener = LastRow(i);
    const InetSocket& at = *listener.inet();
    if (at.local_port() != socket->local_port()) continue;
    const IpAddress own = at.local().address.Unmapped();
    if (own != address && !own.IsUnspecified()) continue;
    const bool exact = own == address;
    if (found != kNoRecord && is_exact && !exact) continue;
    const bool replaces = found == kNoRecord || (exact && !is_exact);
    is_unclear = !replaces && (is_unclear || process_of(i) != process_of(found));
    if (!replaces) continue;
    found = i;
    is_exact = exact;
  }
  if (found == kNoRecord || is_unclear) return {};
  return owners_.View(LinksOf(records_[found]));
}

// ---- Showing ----

// Joins a row to what is remembered.
void Ledger::Complete(const Record& record, Row* row) {
  if (record.links > 0) RowMaker::SetOwners(row, owners_.View(LinksOf(record)));
  if (cgroups_ == nullptr || record.block == BlockStore::kNone) return;
  const netlink::Message message(*netlink::Load<netlink::Header>(MessageOf(record)),
                                 MessageOf(record));
  const Origin& origin = tables_[record.table];
  const std::optional<Row> last = RowMaker::FromMessage(message, origin.table, origin.source);
  const InetSocket* const socket = last ? last->inet() : nullptr;
  const CgroupId id = socket != nullptr ? socket->cgroup().value_or(CgroupId()) : CgroupId();
  if (row->owners().empty()) {
    RowMaker::SetCgroup(row, cgroups_->Find(id));
    return;
  }
  const Owner owner = row->owners()[0];
  RowMaker::SetCgroup(row, cgroups_->FindHeldBy(id, owner.pid, owner.start_time));
}

Row Ledger::LastRow(uint32_t i) {
  const Record& record = records_[i];
  const Bytes whole = MessageOf(record);
  const netlink::Message message(*netlink::Load<netlink::Header>(whole), whole);
  const Origin& origin = tables_[record.table];
  Row row = *RowMaker::FromMessage(message, origin.table, origin.source);
  Complete(record, &row);
  return row;
}

void Ledger::Show(ChangeKind kind, const Row& row, uint32_t i, Visitor visitor) {
  const Record& record = records_[i];
  const bool is_known = record.block != BlockStore::kNone;
  const bool is_over = kind == ChangeKind::kClosed || kind == ChangeKind::kGone;
  const bool remembers = row.owners().empty() && record.links > 0;
  std::optional<Row> copy;
  if (is_known && (remembers || is_over)) {
    copy = row;
    Complete(record, &*copy);
  }
  Change change(this, kind, copy ? *copy : row);
  change.from_start_ = (record.flags & kFromStart) != 0;
  change.owners_remembered_ = remembers;
  if (is_known) {
    change.record_ = i;
    change.last_state_ = static_cast<State>(record.state);
    change.seen_for_ = now_.time_since_epoch() - record.first_seen;
  }
  visitor(change);
}

void Ledger::ShowUntold(const Row& row, Visitor visitor) {
  ++look_.untold;
  const Change change(this, ChangeKind::kUntold, row);
  visitor(change);
}

// ---- Rows and events ----

void Ledger::Add(const Row& row, Visitor visitor) {
  if (!HasOwnCookie(row)) return ShowUntold(row, visitor);
  uint32_t i = Find(row.cookie());
  if (i == kNoRecord) {
    i = NewRecord(row);
    ++look_.opened;
    Show(ChangeKind::kOpened, row, i, visitor);
  } else if ((records_[i].flags & kEnded) != 0) {
    records_[i].look = number_;
    ++look_.lingering;
    visitor(Change(this, ChangeKind::kLingers, row));
    return Follow(i);
  } else if (records_[i].look == number_) {
    return ShowUntold(row, visitor);
  } else {
    ++look_.lived;
    Show(ChangeKind::kLived, row, i, visitor);
  }
  Keep(&records_[i], row);
  if (row.state() == State::kListen) listeners_.insert(i);
  Follow(i);
}

void Ledger::Close(const Row& event, absl::FunctionRef<bool(const Row&)> selects, Visitor visitor) {
  const auto known = by_cookie_.find(event.cookie());
  if (known != by_cookie_.end() && (records_[*known].flags & kEnded) != 0) return;
  if (known == by_cookie_.end() && !selects(event)) return;
  const bool is_unseen = known == by_cookie_.end();
  const uint32_t i = is_unseen ? NewRecord(event) : *known;
  ++look_.closed;
  if (is_unseen) ++look_.unseen;
  Show(ChangeKind::kClosed, event, i, visitor);
  Record& record = records_[i];
  Drop(i);
  record.flags |= kEnded;
  record.look = number_;
  --followed_;
}

void Ledger::EndLook(const Summary& summary, absl::FunctionRef<bool(const Table&)> follows,
                     Visitor visitor) {
  for (Origin& origin : tables_) {
    origin.read = true;
    origin.followed = follows(origin.table);
  }
  for (const TableOutcome& outcome : summary.tables) {
    if (!outcome.status.ok() && look_.unread.ok()) look_.unread = outcome.status;
    OriginOf(outcome.table, outcome.source);
    for (const uint32_t i : tables_of_[PartOf(outcome.table)]) {
      Origin& origin = tables_[i];
      if (origin.table != outcome.table) continue;
      origin.listed = number_;
      origin.read = outcome.status.ok();
      if (outcome.status.ok() && outcome.missing == 0) origin.complete = number_;
    }
  }
  for (uint32_t i = 0; i < records_.size(); ++i) Sweep(i, visitor);
  FreeTables();
  look_.query = std::move(done_.query);  // for its memory
  look_.query = summary;
  done_ = std::move(look_);
  look_ = Look();
  ++number_;
}

void Ledger::Sweep(uint32_t i, Visitor visitor) {
  const Record& record = records_[i];
  if (record.cookie == 0 || record.look == number_) return;
  if ((record.flags & kEnded) != 0) return Forget(i);
  const Origin& origin = tables_[record.table];
  if (!origin.read) return;
  // The event of a socket that a look does not give any more can still be on its way. The end of
  // TIME_WAIT gives none.
  const bool may_come = origin.followed && static_cast<State>(record.state) != State::kTimeWait;
  if (may_come && record.look + 1 == number_) return;
  ++look_.gone;
  if (record.block != BlockStore::kNone) Show(ChangeKind::kGone, LastRow(i), i, visitor);
  Forget(i);
}

size_t Ledger::memory() const {
  return sizeof(*this) + records_.size() * sizeof(Record) + free_.capacity() * sizeof(uint32_t) +
         by_cookie_.capacity() * (sizeof(uint32_t) + 1) + blocks_.memory() + owners_.memory() +
         listeners_.size() * kListenerNode + tables_.size() * sizeof(Origin);
}

}  // namespace netdiag::internal
