// Tested by tests/tools/render_json_test.cc and verbs_test.cc.

#include "tools/diag/json.h"

#include <algorithm>

namespace diag {

bool Json::Text(std::string_view bytes) {
  if (std::ranges::all_of(bytes, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    writer_.String(bytes.data(), SizeOf(bytes));
    return true;
  }
  scratch_.clear();
  const bool exact = AppendUtf8(bytes, &scratch_);
  escaped_.Clear();
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> escaper(
      escaped_);
  escaper.String(scratch_.data(), SizeOf(scratch_));
  writer_.RawValue(escaped_.GetString(), escaped_.GetSize(), rapidjson::kStringType);
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
