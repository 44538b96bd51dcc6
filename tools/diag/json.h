// tools/diag/json.h — JSON as this program writes it: ASCII only, every other character is \uXXXX,
// so that none of them can act on a terminal. Escaping and number formats are RapidJSON's.

#ifndef NETDIAG_TOOLS_DIAG_JSON_H_
#define NETDIAG_TOOLS_DIAG_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "tools/diag/text.h"

namespace diag {

class Json {
 public:
  explicit Json(Output* output) : output_(output) {}
  Json(const Json&) = delete;
  Json& operator=(const Json&) = delete;

  // Objects, arrays, numbers and booleans.
  auto* operator->() { return &writer_; }
  // Of this program's own, without anything to escape.
  void Key(std::string_view key) { writer_.Key(key.data(), SizeOf(key)); }
  // Texts that others chose need not be UTF-8. False: U+FFFD stands for what is not.
  bool Text(std::string_view bytes);
  bool Text(std::string_view key, std::string_view bytes) {
    Key(key);
    return Text(bytes);
  }
  void Number(std::string_view key, uint64_t number) {
    Key(key);
    writer_.Uint64(number);
  }
  void Flag(std::string_view key, bool flag) {
    Key(key);
    writer_.Bool(flag);
  }
  // Hands over what was written since, with a line's end.
  void EndLine();
  // Hands over what was written since.
  void Drain();
  // Another value begins.
  void Reset() { writer_.Reset(buffer_); }

 private:
  static rapidjson::SizeType SizeOf(std::string_view text) {
    return static_cast<rapidjson::SizeType>(text.size());
  }

  Output* output_;
  rapidjson::StringBuffer buffer_;
  // Its quickest form, which leaves what is not ASCII alone.
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
  rapidjson::StringBuffer escaped_;
  std::string scratch_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_JSON_H_
