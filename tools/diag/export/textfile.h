// tools/diag/export/textfile.h — a file that readers see whole: its old contents or its new ones.

#ifndef NETDIAG_TOOLS_DIAG_EXPORT_TEXTFILE_H_
#define NETDIAG_TOOLS_DIAG_EXPORT_TEXTFILE_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace diag {

// The file is written beside its place, as PATH.tmp, and renamed. Everyone may read it. The
// destructor removes it, because numbers that nothing updates any more are wrong numbers.
class Textfile {
 public:
  // `path` empty: Write() does nothing.
  explicit Textfile(std::string path) : path_(std::move(path)) {}
  Textfile(const Textfile&) = delete;
  Textfile& operator=(const Textfile&) = delete;
  ~Textfile();

  absl::Status Write(std::string_view text);
  bool wanted() const { return !path_.empty(); }

 private:
  const std::string path_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_EXPORT_TEXTFILE_H_
