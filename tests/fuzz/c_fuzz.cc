// Gives any texts, numbers, sizes of structs and captures to the C interface. Every struct lies in
// a block of exactly the size that it tells, which ends between members, and every failure has its
// code and a text. The first 16 bytes are the numbers; four texts follow, each up to a NUL; the
// rest is the capture.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/c/netdiag.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair.h"

namespace netdiag::fuzz {
namespace {

template <auto free_function>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    free_function(pointer);
  }
};
using Block = std::unique_ptr<void, Free<std::free>>;

// A failure has a negative code, and the details say the same.
bool Succeeded(int code, const netdiag_error& error) {
  if (code >= 0) return true;
  Check(code >= NETDIAG_FAILED && error.code == code && error.text[0] != '\0');
  Check(std::memchr(error.text, '\0', sizeof(error.text)) != nullptr);
  return false;
}

// `options` in a block of `size` bytes, which is what its `size` tells.
template <class Options>
const Options* InBlock(Options options, size_t size, Block* block) {
  block->reset(std::calloc(1, std::max(size, sizeof(size_t))));
  options.size = size;
  std::memcpy(block->get(), &options, std::min(std::max(size, sizeof(size_t)), sizeof(options)));
  return static_cast<const Options*>(block->get());
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : numbers_(data, 16), rest_(data + 16, size - 16) {}
  uint8_t Number() { return numbers_[next_++ % numbers_.size()]; }
  std::string Text() {
    size_t end = 0;
    while (end < rest_.size() && rest_[end] != 0) ++end;
    std::string text(reinterpret_cast<const char*>(rest_.data()), end);
    rest_ = rest_.subspan(std::min(end + 1, rest_.size()));
    return text;
  }
  std::string Rest() const { return {reinterpret_cast<const char*>(rest_.data()), rest_.size()}; }

 private:
  std::span<const uint8_t> numbers_, rest_;
  size_t next_ = 0;
};

void TouchBatch(const netdiag_batch& batch) {
  Touch(std::string_view(batch.texts, batch.texts_size));
  for (size_t c = 0; c < batch.columns; ++c) {
    const netdiag_column& column = batch.column[c];
    const size_t values = column.first != nullptr ? column.first[batch.rows] : batch.rows;
    for (size_t v = 0; v < values; ++v) {
      const netdiag_value& value = column.values[v];
      Check(value.type <= NETDIAG_ADDRESS);
      if (value.type != NETDIAG_TEXT) continue;
      Check(value.as.text >= batch.texts && value.as.text[value.size] == '\0');
      Check(value.as.text + value.size < batch.texts + batch.texts_size);
    }
  }
}

int CountRows(void* rows, const netdiag_batch* batch) {
  TouchBatch(*batch);
  *static_cast<uint64_t*>(rows) += batch->rows;
  return 0;
}

using Query = std::unique_ptr<netdiag_query, Free<netdiag_query_free>>;
using Engine = std::unique_ptr<netdiag_engine, Free<netdiag_close>>;

Query MakeQuery(Input* input) {
  const std::array<std::string, 4> texts = {input->Text(), input->Text(), input->Text(),
                                            input->Text()};
  const uint8_t present = input->Number();
  const auto text = [&](size_t i) { return (present >> i) & 1 ? texts[i].c_str() : nullptr; };
  const netdiag_query_options options = {.size = 0,
                                         .filter = text(0),
                                         .protocols = text(1),
                                         .states = text(2),
                                         .fields = text(3),
                                         .completeness = input->Number() % 4u,
                                         .owner_policy = input->Number() % 4u,
                                         .bounded_steps = input->Number(),
                                         .reserved = 0};
  const uint8_t size = input->Number();
  Block block;
  netdiag_query* query = nullptr;
  netdiag_error error = {};
  const auto* const given =
      InBlock(options, size % 4 == 0 ? size / 4 * sizeof(void*) : sizeof(options), &block);
  if (!Succeeded(netdiag_query_new(given, &query, &error), error)) return nullptr;
  Touch(texts[3]);
  const int field = netdiag_field_find(texts[3].c_str(), &error);
  if (Succeeded(field, error)) Check(field < netdiag_field_count());
  return Query(query);
}

void CheckSummary(netdiag_engine* engine, uint64_t rows) {
  netdiag_summary summary = {.size = sizeof(summary)};
  netdiag_error error = {};
  Check(Succeeded(netdiag_engine_summary(engine, &summary, &error), error));
  Check(summary.rows == rows && summary.gaps != nullptr);
  Check((summary.complete != 0) == (summary.gaps[0] == '\0'));
}

void Snapshot(netdiag_engine* engine, const netdiag_query* query, Input* input) {
  netdiag_error error = {};
  netdiag_snapshot* taken = nullptr;
  if (!Succeeded(netdiag_take(engine, query, -1, &taken, &error), error)) return;
  std::unique_ptr<netdiag_snapshot, Free<netdiag_snapshot_free>> snapshot(taken);
  std::vector<int> fields;
  for (size_t c = 0; c < netdiag_query_columns(query); ++c) {
    fields.push_back(netdiag_query_column(query, c));
  }
  fields.push_back(input->Number() * 4 - 100);  // perhaps none, or one that was not asked for
  netdiag_batch* batch = nullptr;
  const size_t begin = input->Number();
  for (const size_t columns : {fields.size() - 1, fields.size()}) {
    const int read = netdiag_snapshot_read(snapshot.get(), begin, input->Number(), fields.data(),
                                           columns, &batch, &error);
    if (!Succeeded(read, error)) continue;
    TouchBatch(*batch);
    netdiag_batch_free(batch);
  }
}

void Steps(netdiag_engine* engine, const netdiag_query* query, uint64_t rows) {
  netdiag_error error = {};
  if (!Succeeded(netdiag_begin(engine, query, &error), error)) return;
  uint64_t stepped = 0;
  for (int more = NETDIAG_MORE; more == NETDIAG_MORE;) {
    const netdiag_batch* batch = nullptr;
    more = netdiag_step(engine, 0, &batch, &error);
    if (!Succeeded(more, error)) return;
    CountRows(&stepped, batch);
  }
  Check(stepped == rows);
}

void Monitor(netdiag_engine* engine, const netdiag_query* query) {
  const netdiag_monitor_options options = {sizeof(options), 1, 0};
  netdiag_monitor* opened = nullptr;
  netdiag_error error = {};
  if (!Succeeded(netdiag_monitor_open(engine, query, &options, &opened, &error), error)) return;
  const std::unique_ptr<netdiag_monitor, Free<netdiag_monitor_close>> monitor(opened);
  const auto visit = [](void*, const netdiag_changes* changes) {
    TouchBatch(*changes->values);
    TouchBatch(*changes->deltas);
    for (size_t r = 0; r < changes->rows; ++r)
      Check(changes->change[r].kind <= NETDIAG_CHANGE_UNTOLD);
  };
  for (int look = 0; look < 2; ++look) {
    if (!Succeeded(netdiag_monitor_poll(opened, -1, visit, nullptr, &error), error)) return;
  }
}

void Run(Input input) {
  const Query query = MakeQuery(&input);
  const uint8_t size = input.Number();
  const std::string capture = Repair(input.Rest());
  netdiag_options options = {};
  options.threads = input.Number() % 3;
  options.owner_source = input.Number() % 4;
  options.replay = capture.data();  // a text without bytes has an address too
  options.replay_size = capture.size();
  Block block;
  const auto* const given =
      InBlock(options, size % 4 == 0 ? sizeof(options) + size / 4 : sizeof(options), &block);
  netdiag_engine* opened = nullptr;
  netdiag_error error = {};
  if (query == nullptr || !Succeeded(netdiag_open(given, &opened, &error), error)) return;
  const Engine engine(opened);
  uint64_t rows = 0;
  if (Succeeded(netdiag_visit(opened, query.get(), -1, CountRows, &rows, &error), error)) {
    CheckSummary(opened, rows);
    Steps(opened, query.get(), rows);
    Snapshot(opened, query.get(), &input);
    Monitor(opened, query.get());
  }
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 16) netdiag::fuzz::Run(netdiag::fuzz::Input(data, size));
  return 0;
}
