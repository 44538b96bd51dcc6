// Tested by tests/collect_test.cc.

#include "netdiag/collect.h"

#include <algorithm>
#include <compare>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "netdiag/engine/row_maker.h"
#include "netdiag/engine/row_store.h"
#include "netdiag/types/address.h"

namespace netdiag {
namespace {

template <class Value>
bool Absent(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

// Returns a negative number if `a` comes first. An absent value comes last in both directions.
template <class Value>
int CompareValues(const Value& a, const Value& b, bool descending) {
  if (Absent(a) || Absent(b)) return int{Absent(a)} - int{Absent(b)};
  if (a == b) return 0;
  return (a < b) != descending ? -1 : 1;
}

// Appends the type of `value` and its bytes.
void Encode(const FieldValue& value, std::string* out) {
  out->push_back(static_cast<char>(value.index()));
  const auto append = [&](const auto& number) {
    char bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    out->append(bytes, sizeof(bytes));
  };
  if (const auto* number = std::get_if<uint64_t>(&value)) append(*number);
  if (const auto* flag = std::get_if<bool>(&value)) append(*flag);
  if (const auto* address = std::get_if<IpAddress>(&value)) append(*address);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    append(text->size());
    out->append(*text);
  }
}

// Reads one value that Encode() wrote, and removes it from `rest`. Text is a view of `rest`.
FieldValue Decode(std::string_view* rest) {
  const auto take = [&](auto empty) {
    std::memcpy(&empty, rest->data(), sizeof(empty));
    rest->remove_prefix(sizeof(empty));
    return empty;
  };
  switch (take(char{})) {
    case 1:
      return take(uint64_t{});
    case 2:
      return take(bool{});
    case 3: {
      const size_t size = take(size_t{});
      const std::string_view text = rest->substr(0, size);
      rest->remove_prefix(size);
      return text;
    }
    case 4:
      return take(IpAddress());
    default:
      return {};
  }
}

static_assert(std::is_trivially_copyable_v<IpAddress>);
static_assert(std::is_same_v<std::variant_alternative_t<3, FieldValue>, std::string_view>);

}  // namespace

RowKey KeyOf(const Field& field, bool descending) { return {field.get, field.group, descending}; }

// ---- SortedRows ----

class SortedRows::Impl {
 public:
  Impl(std::vector<RowKey> keys, size_t limit) : keys_(std::move(keys)), limit_(limit) {}
  void Add(const Row& row, size_t owner);
  void Visit(absl::FunctionRef<Flow(const Row&, size_t owner)> visitor);

 private:
  // A FieldValue that owns its text.
  using Value = std::variant<std::monostate, uint64_t, bool, std::string, IpAddress>;
  struct Entry {
    std::vector<Value> values;  // one for each key
    uint64_t number = 0;        // counts rows as they are added
    size_t owner = 0;
    std::vector<std::byte> message;
    std::optional<Row> row;  // a view of `message`; always set
  };

  void Read(const Row& row, size_t owner, std::vector<Value>* values) const;
  bool Before(const Entry& a, const Entry& b) const;
  // Stores `row` in `entry`, with the values and the number of `next_`.
  void Keep(const Row& row, Entry* entry);

  std::vector<RowKey> keys_;
  size_t limit_;
  uint64_t number_ = 0;
  Entry next_;  // scratch: the values of the row in Add()
  // With a limit, a heap whose top is the last row in order. Pointers make swaps cheap.
  std::vector<std::unique_ptr<Entry>> entries_;
  internal::TableCopies tables_;  // the tables that rows point to
};

void SortedRows::Impl::Read(const Row& row, size_t owner, std::vector<Value>* values) const {
  values->resize(keys_.size());
  for (size_t i = 0; i < keys_.size(); ++i) {
    const FieldValue value = keys_[i].get(row, keys_[i].group == FieldGroup::kOwner ? owner : 0);
    Value& own = (*values)[i];
    if (const auto* text = std::get_if<std::string_view>(&value)) {
      // Reuses the string's capacity.
      if (!std::holds_alternative<std::string>(own)) own.emplace<std::string>();
      std::get<std::string>(own).assign(*text);
    } else if (const auto* number = std::get_if<uint64_t>(&value)) {
      own = *number;
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      own = *flag;
    } else if (const auto* address = std::get_if<IpAddress>(&value)) {
      own = *address;
    } else {
      own = std::monostate();
    }
  }
}

bool SortedRows::Impl::Before(const Entry& a, const Entry& b) const {
  for (size_t i = 0; i < keys_.size(); ++i) {
    const int order = CompareValues(a.values[i], b.values[i], keys_[i].descending);
    if (order != 0) return order < 0;
  }
  return a.number < b.number;
}

void SortedRows::Impl::Keep(const Row& row, Entry* entry) {
  std::swap(entry->values, next_.values);
  entry->number = next_.number;
  entry->owner = next_.owner;
  const Bytes whole = row.message().whole();
  entry->message.assign(whole.begin(), whole.end());
  entry->row.emplace(internal::RowMaker::CopyOver(row, entry->message, *tables_.Of(row.table())));
}

void SortedRows::Impl::Add(const Row& row, size_t owner) {
  Read(row, owner, &next_.values);
  next_.owner = owner;
  next_.number = ++number_;
  const auto before = [this](const auto& a, const auto& b) { return Before(*a, *b); };
  if (limit_ == 0 || entries_.size() < limit_) {
    entries_.push_back(std::make_unique<Entry>());
    Keep(row, entries_.back().get());
    if (limit_ != 0) std::ranges::push_heap(entries_, before);
    return;
  }
  if (!Before(next_, *entries_.front())) return;
  std::ranges::pop_heap(entries_, before);
  Keep(row, entries_.back().get());
  std::ranges::push_heap(entries_, before);
}

void SortedRows::Impl::Visit(absl::FunctionRef<Flow(const Row&, size_t)> visitor) {
  const auto before = [this](const auto& a, const auto& b) { return Before(*a, *b); };
  std::ranges::sort(entries_, before);
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (visitor(*entry->row, entry->owner) == Flow::kStop) break;
  }
  // Sorting broke the heap, which the next Add() needs.
  if (limit_ != 0) std::ranges::make_heap(entries_, before);
}

SortedRows::SortedRows(std::vector<RowKey> keys, size_t limit)
    : impl_(std::make_unique<Impl>(std::move(keys), limit)) {}
SortedRows::SortedRows(SortedRows&&) noexcept = default;
SortedRows& SortedRows::operator=(SortedRows&&) noexcept = default;
SortedRows::~SortedRows() = default;

void SortedRows::Add(const Row& row, size_t owner) { impl_->Add(row, owner); }
void SortedRows::Visit(absl::FunctionRef<Flow(const Row&)> visitor) {
  impl_->Visit([&](const Row& row, size_t) { return visitor(row); });
}
void SortedRows::VisitOwners(absl::FunctionRef<Flow(const Row&, size_t)> visitor) {
  impl_->Visit(visitor);
}

// ---- RowCounts ----

namespace {

// Adds without overflow.
void AddTo(FieldValue* sum, const FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  if (number == nullptr) return;
  const auto* before = std::get_if<uint64_t>(sum);
  const uint64_t total = *number + (before != nullptr ? *before : 0);
  *sum = total < *number ? ~uint64_t{0} : total;
}

int CompareGroups(const RowCounts::Group& a, const RowCounts::Group& b,
                  const RowCounts::Order& order) {
  switch (order.part) {
    case RowCounts::Part::kValue:
      return CompareValues(a.values[order.index], b.values[order.index], order.descending);
    case RowCounts::Part::kSum:
      return CompareValues(a.sums[order.index], b.sums[order.index], order.descending);
    case RowCounts::Part::kCount:
      break;
  }
  return CompareValues(FieldValue(a.count), FieldValue(b.count), order.descending);
}

}  // namespace

RowCounts::RowCounts(std::vector<RowKey> keys, std::vector<RowKey> sums)
    : keys_(std::move(keys)), sums_(std::move(sums)) {}

void RowCounts::Add(const Row& row) {
  ++rows_;
  // The keys' lists, such as owners and addresses, and how many values each has. Every combination
  // of their values is counted. A list without values is one absent value.
  lists_.clear();
  size_t combinations = 1;
  for (const RowKey& key : keys_) {
    if (!IsList(key.group) || std::ranges::find(lists_, key.group, &List::group) != lists_.end()) {
      continue;
    }
    lists_.push_back({key.group, std::max<size_t>(ValuesOf(key.group, row), 1)});
    combinations *= lists_.back().size;
  }
  for (size_t i = 0; i < combinations; ++i) {
    key_.clear();
    for (const RowKey& key : keys_) Encode(key.get(row, PlaceIn(key.group, i)), &key_);
    auto group = counts_.find(key_);
    if (group == counts_.end()) {
      group = counts_.emplace(key_, Count{.sums = std::vector<FieldValue>(sums_.size())}).first;
    }
    if (group->second.last_row == rows_) continue;
    group->second.last_row = rows_;
    ++group->second.count;
    for (size_t sum = 0; sum < sums_.size(); ++sum) {
      AddTo(&group->second.sums[sum], sums_[sum].get(row, 0));
    }
  }
}

size_t RowCounts::PlaceIn(FieldGroup group, size_t combination) const {
  for (const List& list : lists_) {
    if (list.group == group) return combination % list.size;
    combination /= list.size;
  }
  return 0;
}

std::vector<RowCounts::Group> RowCounts::Groups(std::span<const Order> order) const {
  std::vector<Group> groups;
  groups.reserve(counts_.size());
  for (const auto& [key, count] : counts_) {
    Group& group = groups.emplace_back();
    group.count = count.count;
    group.sums = count.sums;
    std::string_view rest = key;
    for (size_t i = 0; i < keys_.size(); ++i) group.values.push_back(Decode(&rest));
  }
  std::ranges::sort(groups, [&](const Group& a, const Group& b) {
    for (const Order& by : order) {
      const int compared = CompareGroups(a, b, by);
      if (compared != 0) return compared < 0;
    }
    if (a.count != b.count) return a.count > b.count;
    for (size_t i = 0; i < a.values.size(); ++i) {
      const int compared = CompareValues(a.values[i], b.values[i], false);
      if (compared != 0) return compared < 0;
    }
    return false;
  });
  return groups;
}

}  // namespace netdiag
