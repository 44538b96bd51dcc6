// Tested by tests/tools/netstat_program_test.cc.

#include "tools/diag/netstat/holders.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "absl/status/status.h"

#include "netdiag/types/error.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

// The columns of netstat 2.10, without their NULs.
constexpr size_t kProgramRoom = 19;
constexpr size_t kContextRoom = 49;
// What it reads of the arguments.
constexpr size_t kArgumentsRead = 511;

// The first argument, without its directory. Some programs describe themselves there: "sshd: root".
std::string_view NameOf(const netdiag::Program* program, std::string_view fallback, bool compat) {
  // The arguments can be empty, and it can be impossible to read them.
  if (program == nullptr || (!compat && program->args.empty())) return compat ? "" : fallback;
  std::string_view name = program->args;
  if (compat) name = name.substr(0, kArgumentsRead);
  name = name.substr(0, name.find('\0'));
  return name.starts_with('/') ? name.substr(name.rfind('/') + 1) : name;
}

// True if the descriptors of a process cannot be listed.
bool HidesDescriptors(const std::string& proc_root) {
  // std::filesystem's iterator ends the program if an allocation fails.
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(opendir(proc_root.c_str()), closedir);
  while (const dirent* const entry = processes ? readdir(processes.get()) : nullptr) {
    const std::string pid = entry->d_name;
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    const int fd =
        open((proc_root + "/" + pid + "/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) return true;
    if (fd >= 0) close(fd);
  }
  return false;
}

}  // namespace

void AppendForeign(std::string_view name, bool compat, std::string* out) {
  if (!compat) return AppendField(name, out);
  for (size_t end = 0; (end = name.find('\\')) != name.npos; name.remove_prefix(end + 1)) {
    AppendEscaped(name.substr(0, end), out);
    out->push_back('\\');
  }
  AppendEscaped(name, out);
}

void AppendNoOwners(std::string* err) {
  err->append("(No info could be read for \"-p\": geteuid()=");
  AppendNumber(geteuid(), err);
  err->append(" but you should be root.)\n");
}

void AppendComplaint(const netdiag::OwnerStats& stats, const std::string& proc_root, bool compat,
                     std::string* err) {
  if (stats.errors > 0 && !compat) {
    const absl::Status failure =
        netdiag::ErrnoError(stats.first_error, "netstat: processes",
                            "some could not be read, so programs may be missing");
    err->append(std::string(failure.message())).append("\n");
  }
  if (stats.hidepid && !compat) {
    err->append("netstat: /proc hides the processes of other users, so programs may be missing\n");
  }
  if (stats.other_pid_namespace && !compat) {
    err->append(
        "netstat: the processes outside this pid namespace are not seen, so programs may be "
        "missing\n");
  }
  // netstat says nothing of a link that it may not read.
  if (stats.denied == 0 || (compat && !HidesDescriptors(proc_root))) return;
  if (stats.sockets == 0) return AppendNoOwners(err);
  err->append(
      "(Not all processes could be identified, non-owned process info\n"
      " will not be shown, you would have to be root to see it all.)\n");
}

const HolderTexts::Text& HolderTexts::TextOf(const netdiag::Owner& owner, ProgramOf program) {
  const auto [place, is_new] = texts_.try_emplace(owner.pid);
  Text& text = place->second;
  if (!is_new) return text;
  std::string whole = std::to_string(owner.pid.value());
  whole.append("/").append(NameOf(program(owner), owner.command, options_.compat));
  if (options_.compat) whole.resize(std::min(whole.size(), kProgramRoom));
  AppendForeign(whole, options_.compat, &text.program);
  if (!options_.context) return text;
  contexts_.AppendProcess(owner.pid, &text.context);
  // netstat keeps the end of a long context.
  if (options_.compat && text.context.size() > kContextRoom) {
    text.context.erase(0, text.context.size() - kContextRoom + 1);
  }
  return text;
}

Holders HolderTexts::Of(const netdiag::Owners& owners, ProgramOf program) {
  Holders holders;
  netdiag::Pid last;
  const bool all = options_.programs > 1 && !options_.compat;
  all_.clear();
  for (const netdiag::Owner& owner : owners) {
    // netstat reads the descriptors that a process has, and not those of its threads.
    if (options_.compat && owner.thread != netdiag::Pid()) continue;
    if (owner.pid == last) continue;
    last = owner.pid;
    const Text& text = TextOf(owner, program);
    if (!all) return {text.program, options_.context ? text.context : std::string_view("-")};
    if (all_.empty()) holders.context = text.context;
    all_.append(all_.empty() ? "" : ",").append(text.program);
  }
  if (!all_.empty()) holders.programs = all_;
  return holders;
}

}  // namespace diag::netstat
