// tools/diag/text.h — writes text: an output buffer, escapes for names that other processes chose,
// and numbers. Names are made safe here and nowhere else.

#ifndef NETDIAG_TOOLS_DIAG_TEXT_H_
#define NETDIAG_TOOLS_DIAG_TEXT_H_

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "netdiag/types/types.h"

namespace diag {

// Writes text to a descriptor in pieces of about 64 KiB. Waits until a non-blocking descriptor
// takes it. After the first error, which failed() reports, it writes nothing more.
class Output {
 public:
  explicit Output(int fd)
      : fd_(fd), buffer_(std::make_unique_for_overwrite<char[]>(kPiece)), written_(Clock::now()) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Write(std::string_view text) {
    std::memcpy(Reserve(text.size()), text.data(), text.size());
    Commit(text.size());
  }
  // Returns room for `size` bytes. Commit() says how many of them were written.
  char* Reserve(size_t size) {
    if (size_ + size > capacity_) MakeRoom(size);
    return buffer_.get() + size_;
  }
  void Commit(size_t size) { size_ += size; }
  void Flush();
  // Flushes if the last write was 50 ms ago, so that a reader sees rows soon.
  void FlushIfStale() {
    if (Clock::now() - written_ >= kStale) Flush();
  }
  int fd() const { return fd_; }
  bool failed() const { return errnum_ != 0; }
  // The errno of the first error. EPIPE: the reader closed the pipe.
  int errnum() const { return errnum_; }

 private:
  // CLOCK_MONOTONIC_COARSE, which advances every 4 ms or so. CLOCK_MONOTONIC costs five times as
  // much.
  struct Clock {
    static std::chrono::nanoseconds now();
  };
  static constexpr size_t kPiece = 64 * 1024;
  static constexpr std::chrono::milliseconds kStale{50};
  void MakeRoom(size_t size);

  int fd_;
  int errnum_ = 0;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = kPiece;
  size_t size_ = 0;
  std::chrono::nanoseconds written_;
};

// Appends `name` so that it cannot move the cursor, forge a line or hide text. Control bytes (C0,
// DEL, C1), bytes that are not UTF-8, and characters that reorder or hide text or look like a blank
// become \xNN or \u{N}. A backslash is doubled, so different names stay different.
void AppendEscaped(std::string_view name, std::string* out);
// The same between quotes, with quotes escaped too.
void AppendQuoted(std::string_view name, std::string* out);
// The same with blanks and quotes escaped too, so that the name is one field of a line and cannot
// imitate another field or an owner.
void AppendField(std::string_view name, std::string* out);
// As AppendField() for the name of a unix socket, as ss writes it: "*" if there is no name, and '@'
// for the NUL that begins an abstract name. A path that looks like one of these has its first byte
// escaped.
void AppendUnixName(std::string_view name, std::string* out);

// Appends \xNN for any byte.
void AppendHexEscape(char byte, std::string* out);

// Appends two digits for each byte.
void AppendHex(netdiag::Bytes bytes, std::string* out);

// Returns the length in bytes of the UTF-8 character at the beginning of `text`; 0 if it is not
// well formed.
size_t Utf8Length(std::string_view text, uint32_t* code_point);
// Appends `bytes` as UTF-8, with U+FFFD for each byte that is not UTF-8. Returns true if there was
// no such byte.
bool AppendUtf8(std::string_view bytes, std::string* out);

// ---- Numbers ----

// The functions whose names begin with Write put text at `out`, where kNumberRoom bytes must be
// free, and return its end.
inline constexpr size_t kNumberRoom = 400;  // the largest double has 309 digits before its point
char* WriteNumber(uint64_t value, char* out);
// `value` / 1000 as printf's %g.
char* WriteThousandths(uint64_t value, char* out);
// As printf's %.{precision}g and %.{precision}f. %.3g, %.6g and %.0f of common numbers are fast.
char* WriteGeneral(double value, int precision, char* out);
char* WriteFixed(double value, int precision, char* out);

template <std::integral T>
void AppendNumber(T value, std::string* out) {
  auto size = static_cast<uint64_t>(value);
  if constexpr (std::is_signed_v<T>) {
    if (value < 0) {
      out->push_back('-');
      size = -size;
    }
  }
  char digits[24];
  out->append(digits, static_cast<size_t>(WriteNumber(size, digits) - digits));
}
template <std::integral T>
void AppendNumber(T value, std::string* out, int base) {
  char digits[72];
  const char* const end = std::to_chars(digits, digits + sizeof(digits), value, base).ptr;
  out->append(digits, static_cast<size_t>(end - digits));
}
inline void AppendThousandths(uint64_t value, std::string* out) {
  char digits[kNumberRoom];
  out->append(digits, static_cast<size_t>(WriteThousandths(value, digits) - digits));
}
inline void AppendGeneral(double value, std::string* out, int precision = 6) {
  char digits[kNumberRoom];
  out->append(digits, static_cast<size_t>(WriteGeneral(value, precision, digits) - digits));
}
inline void AppendFixed(double value, std::string* out, int precision) {
  char digits[kNumberRoom];
  out->append(digits, static_cast<size_t>(WriteFixed(value, precision, digits) - digits));
}

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TEXT_H_
