// Reads diag's JSON, JSON lines and CSV with other programs: Python's json and csv, jq, and
// RapidJSON's schema validator.

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/families.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/zoo.h"
#include "tests/tools/schema_testing.h"

namespace diag {
namespace {

// The program lists the sockets of this namespace, and no other program opens any there.
const auto* const kNetns =
    ::testing::AddGlobalTestEnvironment(new netdiag::testing::NewNetnsEnvironment);

// Sockets with these names try to break out of every form of output.
constexpr std::string_view kNames[] = {"a,b\"c", "x\ny\r\n", "\x1b[2J",     "=cmd|' /C calc'!A0",
                                       "p\\x41", "\xff\xfe", "caf\xc3\xa9", "{\"state\":1}",
                                       "d\x7f"};

class HostileSockets {
 public:
  HostileSockets() {
    for (const std::string_view name : kNames) {
      const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      sockaddr_un address = {};
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path + 1, name.data(), name.size());  // abstract
      const auto size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
      EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)),
                0);
      fds_[count_++] = fd;
    }
  }
  HostileSockets(const HostileSockets&) = delete;
  HostileSockets& operator=(const HostileSockets&) = delete;
  ~HostileSockets() {
    for (size_t i = 0; i < count_; ++i) close(fds_[i]);
  }

 private:
  int fds_[16] = {};
  size_t count_ = 0;
};

// Returns the exit code of a shell's command line.
int RunShell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Runs a Python program over the output of diag, whose file name is in sys.argv[1].
int Read(const std::string& diag_words, const std::string& program) {
  const std::string base = ::testing::TempDir() + "/forms_program_test_" + std::to_string(getpid());
  std::ofstream(base + ".py")
      << "import csv, json, re, sys\n"
         "def plain(s):\n"
         "    out = b''\n"
         "    for m in re.finditer(r'\\\\x(..)|\\\\u\\{(\\w+)\\}|(\\\\\\\\)|(.)', s, re.S):\n"
         "        h, u, b, c = m.groups()\n"
         "        out += (bytes([int(h, 16)]) if h else chr(int(u, 16)).encode() if u\n"
         "                else b'\\\\' if b else c.encode())\n"
         "    return out\n"
         "wanted = [b'a,b\"c', b'x\\ny\\r\\n', b'\\x1b[2J', b\"=cmd|' /C calc'!A0\",\n"
         "          b'p\\\\x41', b'\\xff\\xfe', 'caf\\u00e9'.encode(), b'{\"state\":1}', "
         "b'd\\x7f']\n"
      << program;
  const int written = RunShell("tools/diag/diag " + diag_words + " > " + base + ".out");
  EXPECT_EQ(written, 0) << diag_words;
  const int read = RunShell("python3 " + base + ".py " + base + ".out");
  std::filesystem::remove(base + ".py");
  std::filesystem::remove(base + ".out");
  return read;
}

TEST(Csv, IsReadBackExactlyByPython) {
  const HostileSockets sockets;
  EXPECT_EQ(Read("--csv -xa --columns=state,name,inode,memory.rcvbuf", R"(
rows = list(csv.reader(open(sys.argv[1], newline=''), strict=True))
assert rows[0] == ['state', 'name', 'inode', 'memory.rcvbuf'], rows[0]
assert all(len(row) == 4 for row in rows), rows
names = [plain(row[1]) for row in rows[1:]]
for name in wanted: assert b'\0' + name in names, name
assert all(int(row[2]) > 0 and int(row[3]) > 0 for row in rows[1:])
raw = open(sys.argv[1], 'rb').read()
assert all(byte >= 32 or byte in (10, 13) for byte in raw) and raw.endswith(b'\r\n')
)"),
            0);
}

TEST(Json, IsReadByPythonWithExactNames) {
  const HostileSockets sockets;
  EXPECT_EQ(Read("--json -tuxap", R"(
answer = json.load(open(sys.argv[1]))
assert answer['schema'] == 3
names = [bytes.fromhex(s['name_hex']) if 'name_hex' in s else s.get('name', '').encode()
         for s in answer['sockets'] if s['protocol'] == 'unix']
for name in wanted: assert b'\0' + name in names, name
assert answer['rows'] == len(answer['sockets']) == sum(t['rows'] for t in answer['tables'])
assert all(t['complete'] for t in answer['tables'])
raw = open(sys.argv[1], 'rb').read()
assert all(32 <= byte < 127 or byte == 10 for byte in raw)
)"),
            0);
}

// The sockets are this process's own, so its executable and arguments are shown.
TEST(Json, HasTheExecutableAndTheArgumentsOfEachOwner) {
  const HostileSockets sockets;
  const std::string pid = std::to_string(getpid());
  EXPECT_EQ(Read("--json -xa --each-owner --columns=pid,exe,args", R"(
import os
pid = )" + pid + R"(
rows = [s['owners'] for s in json.load(open(sys.argv[1]))['sockets']]
assert all(len(owners) <= 1 for owners in rows)
mine = [o[0] for o in rows if o and o[0]['pid'] == pid]
assert len(mine) == len(wanted), mine
args = open('/proc/%d/cmdline' % pid, 'rb').read().rstrip(b'\0').split(b'\0')
for owner in mine:
    assert owner['exe'] == os.readlink('/proc/%d/exe' % pid)
    assert [a.encode() for a in owner['args']] == args, owner['args']
)"),
            0);
}

TEST(JsonLines, AreReadByPythonOneByOne) {
  const HostileSockets sockets;
  EXPECT_EQ(Read("--jsonl -tuxa", R"(
lines = [json.loads(line) for line in open(sys.argv[1])]
assert 'summary' in lines[-1] and not any('summary' in line for line in lines[:-1])
assert lines[-1]['summary']['rows'] == len(lines) - 1
)"),
            0);
}

TEST(Counts, AddUpInEveryForm) {
  const HostileSockets sockets;
  EXPECT_EQ(Read("--csv -xa --count-by=abstract,name", R"(
rows = list(csv.DictReader(open(sys.argv[1], newline='')))
for name in wanted:
    assert [r['count'] for r in rows if plain(r['name']) == b'\0' + name] == ['1'], name
counts = [int(r['count']) for r in rows]
assert counts == sorted(counts, reverse=True)
)"),
            0);
}

TEST(Json, IsReadByJq) {
  const HostileSockets sockets;
  EXPECT_EQ(RunShell("tools/diag/diag --json -xa | jq -e '.sockets | map(select(.abstract and "
                     ".name == \"\\u0000caf\\u00e9\")) | length == 1' >/dev/null"),
            0);
  EXPECT_EQ(RunShell("tools/diag/diag --jsonl -xa | jq -e -s '.[-1].summary.rows == (length - 1)' "
                     ">/dev/null"),
            0);
}

// ---- The schema ----

// Opens sockets of every kind that this kernel has, in a network namespace of their own.
class EveryKind {
 public:
  EveryKind() {
    std::thread([this] {
      netdiag::testing::Check(setns(zoo_.netns_fd(), CLONE_NEWNET) == 0, "setns");
      families_ = netdiag::testing::MakeFamilies();
      // A socket with memberships and a filter, and one with many groups.
      packet_mreq join = {};
      join.mr_ifindex = static_cast<int>(if_nametoindex("lo"));
      join.mr_type = PACKET_MR_PROMISC;
      sock_filter accept = {BPF_RET | BPF_K, 0, 0, 0xffff};
      const sock_fprog program = {1, &accept};
      const int packet = fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
      netdiag::testing::Check(
          setsockopt(packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &join, sizeof(join)) == 0 &&
              setsockopt(packet, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0,
          "a packet socket");
    }).join();
  }
  EveryKind(const EveryKind&) = delete;
  EveryKind& operator=(const EveryKind&) = delete;
  ~EveryKind() {
    for (const netdiag::testing::FamilySocket& socket : families_) close(socket.fd);
    close(fd_);
  }
  netdiag::testing::Outcome RunDiag(const std::vector<std::string>& words) const {
    return netdiag::testing::RunDiag(words, [this] {
      if (setns(zoo_.netns_fd(), CLONE_NEWNET) != 0) _exit(126);
    });
  }

 private:
  const netdiag::testing::Zoo zoo_;
  std::vector<netdiag::testing::FamilySocket> families_;
  int fd_ = -1;
};

TEST(Schema, HoldsForEveryKindOfSocket) {
  if (geteuid() != 0) GTEST_SKIP() << "making a network namespace needs root";
  std::stringstream schema;
  schema << std::ifstream("docs/diag.schema.json").rdbuf();
  const testing::SchemaValidator validator(schema.str());
  const EveryKind kinds;
  std::string everything;
  for (const std::vector<std::string>& more : {std::vector<std::string>{"-emoipb"},
                                               {},
                                               {"--columns=all"},
                                               {"--peers", "-pT"},
                                               {"--each-owner", "--columns=pid,exe,args"},
                                               {"--columns=state,comm,cgroup_path"},
                                               {"--count-by=protocol,state,comm"},
                                               {"--unlisted"}}) {
    std::vector<std::string> words = {"--json", "-A", "all", "-a"};
    words.insert(words.end(), more.begin(), more.end());
    const netdiag::testing::Outcome whole = kinds.RunDiag(words);
    EXPECT_EQ(whole.exit_code, 0) << whole.err;
    EXPECT_EQ(validator.Complaint(whole.out), "") << ::testing::PrintToString(words);
    if (everything.empty()) everything = whole.out;
    words[0] = "--jsonl";
    std::istringstream lines(kinds.RunDiag(words).out);
    for (std::string line; std::getline(lines, line);) {
      ASSERT_EQ(validator.Complaint(line), "") << line;
    }
  }
  // The listing has every part that the schema describes.
  for (const char* key :
       {"\"groups\":[", "\"memberships\":[{", "\"filter\":[[", "\"tcp_info\":{",
        "\"pending_connections\":[", "\"rx_ring\":{", "\"fanout\":{", "\"mptcp_info\":{",
        "\"protocol\":\"udplite\"", "\"protocol\":\"icmp\"", "\"protocol\":\"raw\""}) {
    EXPECT_NE(everything.find(key), everything.npos) << key;
  }
}

}  // namespace
}  // namespace diag
