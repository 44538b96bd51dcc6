// tests/c/c_testing.h — handles of the C interface, and its rows as texts.

#ifndef NETDIAG_TESTS_C_C_TESTING_H_
#define NETDIAG_TESTS_C_C_TESTING_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/c/netdiag.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

// A handle that is released at the end of a test.
template <class T, void (*kRelease)(T*)>
struct Handle {
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { kRelease(get); }
  T* get = nullptr;
};
using EngineHandle = Handle<netdiag_engine, netdiag_close>;
using QueryHandle = Handle<netdiag_query, netdiag_query_free>;
using SnapshotHandle = Handle<netdiag_snapshot, netdiag_snapshot_free>;
using BatchHandle = Handle<netdiag_batch, netdiag_batch_free>;

inline void Open(EngineHandle* engine, const netdiag_options* options = nullptr) {
  netdiag_error error;
  ASSERT_EQ(netdiag_open(options, &engine->get, &error), 0) << error.text;
}

inline void Ask(QueryHandle* query, const std::string& filter, const char* fields,
                const char* protocols = "tcp") {
  netdiag_query_options options = {};
  options.size = sizeof(options);
  options.filter = filter.c_str();
  options.fields = fields;
  options.protocols = protocols;
  options.states = "all";
  netdiag_error error;
  ASSERT_EQ(netdiag_query_new(&options, &query->get, &error), 0) << error.text;
}

inline std::string TextOf(const netdiag_value& value) {
  switch (value.type) {
    case NETDIAG_NUMBER:
      return std::to_string(value.as.number);
    case NETDIAG_FLAG:
      return value.as.number != 0 ? "true" : "false";
    case NETDIAG_TEXT:
      EXPECT_EQ(value.as.text[value.size], '\0');
      return std::string(value.as.text, value.size);
    case NETDIAG_ADDRESS: {
      std::string text;
      IpAddress::FromNetwork(value.size == 4 ? Family::kInet : Family::kInet6,
                             std::as_bytes(std::span(value.as.address, value.size)))
          .AppendTo(&text);
      return text;
    }
    default:
      return "-";
  }
}

// Each row as a text: its values with blanks between them, and those of a list with commas.
inline void AddRows(const netdiag_batch& batch, std::vector<std::string>* rows) {
  for (size_t r = 0; r < batch.rows; ++r) {
    std::string row;
    for (size_t c = 0; c < batch.columns; ++c) {
      const netdiag_column& column = batch.column[c];
      if (c > 0) row += ' ';
      const size_t begin = column.first == nullptr ? r : column.first[r];
      const size_t end = column.first == nullptr ? r + 1 : column.first[r + 1];
      for (size_t i = begin; i < end; ++i) {
        if (i > begin) row += ',';
        row += TextOf(column.values[i]);
      }
    }
    rows->push_back(row);
  }
}

inline int Keep(void* data, const netdiag_batch* batch) {
  AddRows(*batch, static_cast<std::vector<std::string>*>(data));
  return 0;
}

inline std::vector<std::string> Visited(netdiag_engine* engine, const netdiag_query* query) {
  std::vector<std::string> rows;
  netdiag_error error;
  EXPECT_EQ(netdiag_visit(engine, query, -1, Keep, &rows, &error), 0) << error.text;
  return rows;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_C_C_TESTING_H_
