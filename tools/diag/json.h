// tools/diag/json.h — JSON as this program writes it: ASCII only. Every other character becomes
// \uXXXX, so that none can act on a terminal. Escaping and number formats are RapidJSON's.

#ifndef NETDIAG_TOOLS_DIAG_JSON_H_
#define NETDIAG_TOOLS_DIAG_JSON_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "netdiag/field_words.h"
#include "netdiag/types/types.h"
#include "tools/diag/text.h"

namespace diag {

// RapidJSON's fastest writer. It copies characters that are not ASCII, so Json::Text() escapes
// them.
class JsonWriter : public rapidjson::Writer<rapidjson::StringBuffer> {
 public:
  using Writer::Writer;
  // Writes a string in which no character needs an escape. String() would look at each of them.
  void Plain(std::string_view text) {
    Prefix(rapidjson::kStringType);
    char* out = os_->Push(text.size() + 2);
    *out++ = '"';
    out = std::copy(text.begin(), text.end(), out);
    *out = '"';
  }
  // Writes a member of an object. `key` is in quotes, with its colon.
  void Member(std::string_view key, uint64_t number) {
    constexpr size_t kDigits = 20;
    Level* const level = level_stack_.template Top<Level>();
    const size_t room = 1 + key.size() + kDigits;
    char* const begin = os_->Push(room);
    char* out = begin;
    if (level->valueCount > 0) *out++ = ',';
    level->valueCount += 2;
    out = WriteNumber(number, std::copy(key.begin(), key.end(), out));
    os_->Pop(room - static_cast<size_t>(out - begin));
  }
};

class Json {
 public:
  explicit Json(Output* output) : output_(output) {}
  // Appends to `text` instead of writing.
  explicit Json(std::string* text) : text_(text) {}
  Json(const Json&) = delete;
  Json& operator=(const Json&) = delete;

  // Objects, arrays, numbers and booleans.
  auto* operator->() { return &writer_; }
  // `key` must need no escapes.
  void Key(std::string_view key) { writer_.Plain(key); }
  // Writes text that need not be UTF-8. Returns false if it is not: then U+FFFD stands for each
  // byte that is not.
  bool Text(std::string_view bytes);
  bool Text(std::string_view key, std::string_view bytes) {
    Key(key);
    return Text(bytes);
  }
  // Writes text that other processes chose; if it is not UTF-8, also its bytes, as "KEY_hex".
  void Foreign(std::string_view key, std::string_view bytes);
  // Writes the bytes as hexadecimal digits.
  void Hex(std::string_view key, netdiag::Bytes bytes);
  // Writes the message of an error; nothing if `status` is OK.
  void Message(std::string_view key, const absl::Status& status) {
    if (!status.ok()) Foreign(key, std::string(status.message()));
  }
  void Number(std::string_view key, uint64_t number) {
    Key(key);
    writer_.Uint64(number);
  }
  // Writes a number of Unit::k256ths as a decimal.
  void Ratio(uint64_t number) {
    char text[netdiag::kRatioRoom];
    writer_.RawValue(text, netdiag::WriteRatio(number, text), rapidjson::kNumberType);
  }
  void Flag(std::string_view key, bool flag) {
    Key(key);
    writer_.Bool(flag);
  }
  // Ends the line and drains.
  void EndLine();
  // Gives everything written so far to the output.
  void Drain();
  // Starts another JSON value.
  void Reset() { writer_.Reset(buffer_); }

 private:
  static rapidjson::SizeType SizeOf(std::string_view text) {
    return static_cast<rapidjson::SizeType>(text.size());
  }

  Output* output_ = nullptr;
  std::string* text_ = nullptr;
  rapidjson::StringBuffer buffer_;
  JsonWriter writer_{buffer_};
  rapidjson::StringBuffer escaped_;
  std::string scratch_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_JSON_H_
