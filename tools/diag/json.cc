// Tested by tests/tools/render_json_test.cc and commands_test.cc.

#include "tools/diag/json.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/strings/str_replace.h"

namespace diag {
namespace {

constexpr char kDelete = 0x7f;  // the last character of ASCII

// What a character needs in a string.
enum Kind : uint8_t { kPlain = 0, kEscaped = 1, kForeign = 2 };

constexpr std::array<uint8_t, 256> kKinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (size_t c = 0; c < kinds.size(); ++c) {
    kinds[c] = c >= kDelete ? kForeign : c < ' ' || c == '"' || c == '\\' ? kEscaped : kPlain;
  }
  return kinds;
}();

}  // namespace

bool Json::Text(std::string_view bytes) {
  uint8_t kinds = 0;
  for (const char c : bytes) kinds |= kKinds[static_cast<unsigned char>(c)];
  if (kinds == kPlain) {
    writer_.Plain(bytes);
    return true;
  }
  if (kinds == kEscaped) {
    writer_.String(bytes.data(), SizeOf(bytes));
    return true;
  }
  scratch_.clear();
  const bool exact = AppendUtf8(bytes, &scratch_);
  escaped_.Clear();
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> escaper(
      escaped_);
  escaper.String(scratch_.data(), SizeOf(scratch_));
  // RapidJSON does not escape DEL, because JSON does not require it.
  scratch_.assign(escaped_.GetString(), escaped_.GetSize());
  absl::StrReplaceAll({{"\x7f", "\\u007f"}}, &scratch_);
  writer_.RawValue(scratch_.data(), scratch_.size(), rapidjson::kStringType);
  return exact;
}

void Json::Foreign(std::string_view key, std::string_view bytes) {
  if (Text(key, bytes)) return;
  Hex(std::string(key) + "_hex", std::as_bytes(std::span(bytes)));
}

void Json::Hex(std::string_view key, netdiag::Bytes bytes) {
  scratch_.clear();
  AppendHex(bytes, &scratch_);
  Key(key);
  writer_.String(scratch_.data(), SizeOf(scratch_));
}

void Json::EndLine() {
  buffer_.Put('\n');
  Drain();
}

void Json::Drain() {
  const std::string_view written(buffer_.GetString(), buffer_.GetSize());
  if (text_ != nullptr) {
    text_->append(written);
  } else {
    output_->Write(written);
  }
  buffer_.Clear();
}

}  // namespace diag
