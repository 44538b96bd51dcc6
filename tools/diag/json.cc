// Tested by tests/tools/render_json_test.cc and verbs_test.cc.

#include "tools/diag/json.h"

#include <algorithm>

#include "absl/strings/str_replace.h"

namespace diag {
namespace {

constexpr char kDelete = 0x7f;  // ASCII's last

}  // namespace

bool Json::Text(std::string_view bytes) {
  if (std::ranges::all_of(bytes, [](char c) { return static_cast<unsigned char>(c) < kDelete; })) {
    writer_.String(bytes.data(), SizeOf(bytes));
    return true;
  }
  scratch_.clear();
  const bool exact = AppendUtf8(bytes, &scratch_);
  escaped_.Clear();
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> escaper(
      escaped_);
  escaper.String(scratch_.data(), SizeOf(scratch_));
  // RapidJSON escapes it as little as JSON asks for.
  scratch_.assign(escaped_.GetString(), escaped_.GetSize());
  absl::StrReplaceAll({{"\x7f", "\\u007f"}}, &scratch_);
  writer_.RawValue(scratch_.data(), scratch_.size(), rapidjson::kStringType);
  return exact;
}

void Json::EndLine() {
  buffer_.Put('\n');
  Drain();
}

void Json::Drain() {
  output_->Write({buffer_.GetString(), buffer_.GetSize()});
  buffer_.Clear();
}

}  // namespace diag
