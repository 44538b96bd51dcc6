// The part of the C interface that does not ask the running kernel, as a C program uses it.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/c/netdiag.h"
#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tests/c/c_testing.h"

namespace netdiag::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

// ---- Fields ----

TEST(CFields, HaveNamesByWhichTheyAreFound) {
  std::set<std::string> units, meanings;
  for (int id = 0; id < netdiag_field_count(); ++id) {
    netdiag_field field = {};
    field.size = sizeof(field);
    ASSERT_EQ(netdiag_field_describe(id, &field, nullptr), 0);
    EXPECT_EQ(netdiag_field_find(field.name, nullptr), id) << field.name;
    EXPECT_GE(field.type, NETDIAG_NUMBER);
    units.insert(field.unit);
    meanings.insert(field.meaning);
  }
  EXPECT_THAT(units, IsSupersetOf({"", "bytes", "packets", "ms", "us", "bytes_per_second"}));
  EXPECT_THAT(meanings, ElementsAre("counter", "enum", "flag", "gauge", "identity", "text"));
  netdiag_field field = {};
  field.size = sizeof(field);
  EXPECT_EQ(netdiag_field_describe(-1, &field, nullptr), NETDIAG_NOT_FOUND);
  EXPECT_EQ(netdiag_field_describe(netdiag_field_count(), &field, nullptr), NETDIAG_NOT_FOUND);
  netdiag_error error;
  EXPECT_EQ(netdiag_field_find("locl_port", &error), NETDIAG_NOT_FOUND);
  EXPECT_THAT(error.text, HasSubstr("local_port"));
  EXPECT_EQ(netdiag_field_find("cwnd", nullptr), netdiag_field_find("tcp_info.snd_cwnd", nullptr));
}

TEST(CFields, WordsEndWithANul) {
  size_t words = 0;
  for (const Field& field : AllFields()) {
    const FieldWords* const of = WordsOf(field);
    if (of == nullptr) continue;
    for (uint64_t number = 0; number < 300; ++number) {
      const char* const word =
          netdiag_field_word(static_cast<int>(&field - AllFields().data()), number);
      const std::string_view expected = of->Word(number);
      ASSERT_EQ(word == nullptr, expected.empty());
      if (word == nullptr) continue;
      EXPECT_EQ(std::string_view(word), expected);
      ++words;
    }
  }
  EXPECT_GT(words, 50u);
  EXPECT_STREQ(netdiag_field_word(netdiag_field_find("tcp_info.ca_state", nullptr), 3), "recovery");
  EXPECT_EQ(netdiag_field_word(-1, 0), nullptr);
}

// ---- Queries ----

TEST(CQuery, NamesOfFieldsAndGroupsAreItsColumns) {
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_port, rtt_us memory"));
  ASSERT_GT(netdiag_query_columns(query.get), 8u);
  EXPECT_EQ(netdiag_query_column(query.get, 1), netdiag_field_find("tcp_info.rtt", nullptr));
  EXPECT_EQ(netdiag_query_column(query.get, netdiag_query_columns(query.get)), NETDIAG_NOT_FOUND);
}

TEST(CQuery, ErrorsNameTheWordAndThePlace) {
  netdiag_query* query = nullptr;
  netdiag_error error;
  netdiag_query_options options = {};
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_THAT(error.text, HasSubstr("size"));
  options.size = sizeof(options);
  options.filter = "sport = 1 and rtt >";
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_EQ(error.offset, 18);
  EXPECT_EQ(error.error_number, EINVAL);
  options.filter = nullptr;
  options.fields = "locl_port";
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_THAT(error.text, HasSubstr("local_port"));
  EXPECT_EQ(error.offset, -1);
  options.fields = nullptr;
  options.protocols = "tcp carrots";
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_THAT(error.text, HasSubstr("carrots"));
  options.protocols = nullptr;
  options.states = "wild";
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_THAT(error.text, HasSubstr("wild"));
  options.states = nullptr;
  options.completeness = 3;
  EXPECT_EQ(netdiag_query_new(&options, &query, &error), NETDIAG_INVALID);
  EXPECT_EQ(query, nullptr);
}

// A program that was compiled with a later header, and one with an earlier.
TEST(CQuery, StructsOfOtherVersionsAreReadByTheirSize) {
  struct {
    netdiag_query_options known;
    uint64_t new_member;
  } later = {};
  later.known.size = sizeof(later);
  QueryHandle query, other;
  netdiag_error error;
  EXPECT_EQ(netdiag_query_new(&later.known, &query.get, &error), 0) << error.text;
  later.new_member = 1;
  netdiag_query* refused = nullptr;
  EXPECT_EQ(netdiag_query_new(&later.known, &refused, &error), NETDIAG_INVALID);
  EXPECT_EQ(error.error_number, E2BIG);

  struct {
    size_t size;
    const char* filter;
  } earlier = {sizeof(earlier), "sport = 1"};
  static_assert(offsetof(netdiag_query_options, filter) == sizeof(size_t));
  netdiag_query_options room = {};
  std::memcpy(&room, &earlier, sizeof(earlier));
  room.fields = "nothing that is read";
  EXPECT_EQ(netdiag_query_new(&room, &other.get, &error), 0) << error.text;
}

// ---- Rows ----

TEST(CRows, ComeFromACapture) {
  std::ifstream file("tests/fixtures/vsock-6.12.capture", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(bytes.empty());
  netdiag_options options = {};
  options.size = sizeof(options);
  options.replay = bytes.data();
  options.replay_size = bytes.size();
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine, &options));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "state inode", "vsock"));
  EXPECT_THAT(Visited(engine.get, query.get),
              ElementsAre("listening 1258", "established 1259", "listening 521", "established 522",
                          "established 520", "established 523"));
  EXPECT_THAT(netdiag_kernel(engine.get), StartsWith("6.12"));
  netdiag_summary summary = {};
  summary.size = sizeof(summary);
  ASSERT_EQ(netdiag_engine_summary(engine.get, &summary, nullptr), 0);
  EXPECT_EQ(summary.complete, 0);
  EXPECT_THAT(summary.gaps, HasSubstr("capture"));
}

}  // namespace
}  // namespace netdiag::testing
