// When the kernel's tables are read instead of dumped.

#include "netdiag/engine/table_choice.h"

#include <gtest/gtest.h>

namespace netdiag::internal {
namespace {

TEST(TableChoice, DumpsSmallTables) {
  TableChoice choice;
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(choice.Programs(TableChoice::kLeast - 1, false, 2), 0u);
}

TEST(TableChoice, ReadsALargeTableAtOnce) {
  TableChoice choice;
  EXPECT_EQ(choice.Programs(TableChoice::kPrice, false, 1), 1u);
  EXPECT_EQ(choice.Programs(TableChoice::kLeast, false, 1), 1u);
}

TEST(TableChoice, LoadsAProgramWhenTheTablesReadWithoutItWouldHavePaidForIt) {
  TableChoice choice;
  constexpr int kPolls = 5;
  constexpr uint64_t kSockets = TableChoice::kPrice / kPolls;
  static_assert(kSockets >= TableChoice::kLeast);
  for (int i = 1; i < kPolls; ++i) EXPECT_EQ(choice.Programs(kSockets, false, 2), 0u);
  for (int i = 0; i < kPolls; ++i) EXPECT_EQ(choice.Programs(kSockets, false, 2), 1u) << i;
  EXPECT_EQ(choice.Programs(kSockets, false, 2), 2u);
}

TEST(TableChoice, LoadsNoMoreProgramsThanThreads) {
  TableChoice choice;
  EXPECT_EQ(choice.Programs(100 * TableChoice::kPrice, false, 1), 1u);
  EXPECT_EQ(choice.Programs(TableChoice::kPrice, false, 2), 2u);
  EXPECT_EQ(choice.Programs(TableChoice::kPrice, false, 1), 1u);
}

TEST(TableChoice, ReadsForExactQueriesWhateverLoadingCosts) {
  TableChoice choice;
  EXPECT_EQ(choice.Programs(TableChoice::kLeastExact - 1, true, 2), 0u);
  EXPECT_EQ(choice.Programs(TableChoice::kLeastExact, true, 2), 1u);
  EXPECT_EQ(choice.Programs(TableChoice::kLeastExact, false, 2), 0u);
}

}  // namespace
}  // namespace netdiag::internal
