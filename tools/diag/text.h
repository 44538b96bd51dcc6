// tools/diag/text.h — text on its way out: one buffer, and the one place where foreign names are
// made safe.

#ifndef NETDIAG_TOOLS_DIAG_TEXT_H_
#define NETDIAG_TOOLS_DIAG_TEXT_H_

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace diag {

// What is appended here is written to a descriptor in pieces of about 64 KiB. After the first
// error, which failed() tells, nothing more is written: a closed pipe is no reason to go on.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) { buffer_.reserve(kPiece + 4096); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Write(std::string_view text) {
    buffer_.append(text);
    if (buffer_.size() >= kPiece) Flush();
  }
  void Flush();
  bool failed() const { return errnum_ != 0; }
  // Of the first error; EPIPE: nobody reads any more.
  int errnum() const { return errnum_; }

 private:
  static constexpr size_t kPiece = 64 * 1024;
  int fd_;
  int errnum_ = 0;
  std::string buffer_;
};

// Appends `name` so that it cannot move the cursor, forge a line or hide: control bytes (C0, DEL,
// C1), bytes that are not UTF-8, and characters that reorder or hide text become \xNN or \u{N}; a
// backslash is doubled, so no two names come out alike.
void AppendEscaped(std::string_view name, std::string* out);
// The same for what stands between quotes: they are escaped too.
void AppendQuoted(std::string_view name, std::string* out);
// The same for the name of a unix socket: "*" if it has none, and '@' for the NUL that begins an
// abstract one, as ss writes them. A path that would read like one of these has its first byte
// escaped.
void AppendUnixName(std::string_view name, std::string* out);

// The length in bytes of the well-formed UTF-8 character that `text` begins with; 0: it is none.
size_t Utf8Length(std::string_view text, uint32_t* code_point);

template <std::integral T>
void AppendNumber(T value, std::string* out, int base = 10) {
  char digits[24];
  out->append(digits, std::to_chars(digits, digits + sizeof(digits), value, base).ptr);
}
// As printf's %g and %.{precision}f.
void AppendGeneral(double value, std::string* out, int precision = 6);
void AppendFixed(double value, std::string* out, int precision);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TEXT_H_
