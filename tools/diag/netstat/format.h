// tools/diag/netstat/format.h — text by a format, for columns of fixed widths.
//
// absl::StrAppendFormat() appends in a destructor, so it ends the program if memory runs out. These
// throw std::bad_alloc then, as other appending does.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_FORMAT_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_FORMAT_H_

#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/str_format.h"

namespace diag::netstat {

template <class... Args>
void AppendFormat(std::string* out, const absl::FormatSpec<Args...>& format, const Args&... args) {
  std::array<char, 256> line;
  const int size = absl::SNPrintF(line.data(), line.size(), format, args...);
  if (size < 0) return;
  const auto length = static_cast<size_t>(size);
  if (length < line.size()) {
    out->append(line.data(), length);
    return;
  }
  const size_t before = out->size();
  out->resize(before + length + 1);  // with the 0 at the end
  absl::SNPrintF(out->data() + before, length + 1, format, args...);
  out->resize(before + length);
}

template <class... Args>
std::string Format(const absl::FormatSpec<Args...>& format, const Args&... args) {
  std::string text;
  AppendFormat(&text, format, args...);
  return text;
}

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_FORMAT_H_
