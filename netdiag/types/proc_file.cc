// Tested by tests/types/proc_file_test.cc and tests/process/cgroup_test.cc.

#include "netdiag/types/proc_file.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "netdiag/types/parse_number.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {
namespace {

// Decodes mountinfo's escapes: blanks, newlines and backslashes are three octal digits, "\040".
std::string Unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

const KernelVersion& Kernel() {
  static const KernelVersion release = [] {
    utsname name = {};
    KernelVersion parsed;
    if (uname(&name) != 0) return parsed;
    std::string_view text = name.release;
    for (int* const number : {&parsed.major, &parsed.minor, &parsed.patch}) {
      *number = TakeNumber<int>(&text).value_or(0);
      if (!text.starts_with('.')) break;
      text.remove_prefix(1);
    }
    return parsed;
  }();
  return release;
}

std::string ReadProcFile(const std::string& path, size_t limit) {
  std::string text;
  int errnum = 0;
  {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.ok()) errnum = errno;
    size_t size = 0;
    for (ssize_t got = 1; fd.ok() && got > 0 && size < limit;) {
      text.resize(size + std::min(limit, size_t{32} << 10));
      do {
        got = read(fd.get(), &text[size], text.size() - size);
      } while (got < 0 && errno == EINTR);
      if (got < 0) errnum = errno;
      size += static_cast<size_t>(std::max<ssize_t>(got, 0));
    }
    text.resize(errnum == 0 ? size : 0);
  }
  errno = errnum;
  return text;
}

std::string_view TakeUntil(char separator, std::string_view* text) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view taken = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return taken;
}

std::string_view TakeWord(std::string_view blanks, std::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(blanks), text->size()));
  const std::string_view word = text->substr(0, text->find_first_of(blanks));
  text->remove_prefix(word.size());
  return word;
}

bool NextMount(std::string_view* mountinfo, MountLine* line) {
  constexpr std::string_view kSeparator = " - ";
  while (!mountinfo->empty()) {
    std::string_view head = TakeUntil('\n', mountinfo);
    const size_t middle = head.find(kSeparator);
    if (middle == head.npos) continue;
    std::string_view tail = head.substr(middle + kSeparator.size());
    head = head.substr(0, middle);
    for (int skipped = 0; skipped < 3; ++skipped) TakeUntil(' ', &head);
    line->root = TakeUntil(' ', &head);
    line->mount_point = Unescape(TakeUntil(' ', &head));
    line->type = TakeUntil(' ', &tail);
    return true;
  }
  return false;
}

}  // namespace netdiag::internal
