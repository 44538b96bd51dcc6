// Tests that the table of JSON keys in docs/output.md is the field table.

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"

namespace diag {
namespace {

using netdiag::Field;
using netdiag::FieldGroup;
using netdiag::Meaning;
using netdiag::Unit;

std::string UnitWord(Unit unit) {
  switch (unit) {
    case Unit::kNone:
      return "";
    case Unit::kBytes:
      return "B";
    case Unit::kPackets:
      return "packets";
    case Unit::kMilliseconds:
      return "ms";
    case Unit::kMicroseconds:
      return "us";
    case Unit::kBytesPerSecond:
      return "B/s";
    case Unit::k256ths:
      return "ratio";
  }
  return "?";
}

std::string MeaningWord(Meaning meaning) {
  switch (meaning) {
    case Meaning::kCounter:
      return "counter";
    case Meaning::kGauge:
      return "gauge";
    case Meaning::kEnum:
      return "enum";
    case Meaning::kFlag:
      return "flag";
    case Meaning::kText:
      return "text";
    case Meaning::kIdentity:
      return "identity";
  }
  return "?";
}

// Returns a row of the document: | key | unit | meaning | families |
std::string RowOf(const Field& field) {
  std::string row = "| ";
  if (field.group != FieldGroup::kSocket) row.append(Name(field.group)).append(".");
  row.append(netdiag::NameWithUnit(field)).append(" | ").append(UnitWord(field.unit));
  row.append(" | ").append(MeaningWord(field.meaning)).append(" |");
  for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
    if (field.families.contains(family.family)) row.append(" ").append(family.word);
  }
  return row + " |";
}

TEST(OutputDocument, ListsEveryFieldInOrderAndNoOther) {
  std::ifstream document("docs/output.md");
  ASSERT_TRUE(document.good());
  std::vector<std::string> listed;
  bool in_table = false;
  for (std::string line; std::getline(document, line);) {
    if (line == "| key | unit | meaning | families |") {
      in_table = std::getline(document, line).good();  // the rule below the heads
    } else if (in_table && line.empty()) {
      break;
    } else if (in_table) {
      listed.push_back(line);
    }
  }
  std::vector<std::string> expected;
  for (const Field& field : netdiag::AllFields()) expected.push_back(RowOf(field));
  std::string whole;
  for (const std::string& row : expected) whole += row + "\n";
  EXPECT_EQ(listed, expected) << "the table as it should be:\n" << whole;
}

}  // namespace
}  // namespace diag
