// What BPF programs keep with sockets (BPF_MAP_TYPE_SK_STORAGE), against maps that the test fills.

#include <linux/bpf.h>

#include <array>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/bpf/map_values.h"
#include "netdiag/dump/table.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

// The value of the maps: struct mark { u32 number; char name[12]; }.
struct Mark {
  uint32_t number = 0;
  std::array<char, 12> name{};
};

// The map's types: the kernel wants a key of type int.
class Types {
 public:
  Types() : btf_(btf__new_empty(), btf__free) {
    key_ = btf__add_int(btf_.get(), "int", 4, BTF_INT_SIGNED);
    const int number = btf__add_int(btf_.get(), "unsigned int", 4, 0);
    const int character = btf__add_int(btf_.get(), "char", 1, BTF_INT_CHAR);
    const int name = btf__add_array(btf_.get(), number, character, 12);
    value_ = btf__add_struct(btf_.get(), "mark", sizeof(Mark));
    btf__add_field(btf_.get(), "number", number, 0, 0);
    btf__add_field(btf_.get(), "name", name, 32, 0);
    Check(btf__load_into_kernel(btf_.get()) == 0, "BPF_BTF_LOAD");
  }
  int fd() const { return btf__fd(btf_.get()); }
  uint32_t key() const { return static_cast<uint32_t>(key_); }
  uint32_t value() const { return static_cast<uint32_t>(value_); }

 private:
  std::unique_ptr<btf, void (*)(btf*)> btf_;
  int key_ = 0, value_ = 0;
};

class StorageMap {
 public:
  StorageMap() {
    LIBBPF_OPTS(bpf_map_create_opts, options, .btf_fd = static_cast<uint32_t>(types_.fd()),
                .btf_key_type_id = types_.key(), .btf_value_type_id = types_.value(),
                .map_flags = BPF_F_NO_PREALLOC);
    fd_ = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "marks", sizeof(int), sizeof(Mark), 0, &options);
    Check(fd_ >= 0, "BPF_MAP_CREATE");
    bpf_map_info info = {};
    uint32_t size = sizeof(info);
    Check(bpf_obj_get_info_by_fd(fd_, &info, &size) == 0, "BPF_OBJ_GET_INFO_BY_FD");
    id_ = info.id;
  }
  StorageMap(const StorageMap&) = delete;
  StorageMap& operator=(const StorageMap&) = delete;
  ~StorageMap() { close(fd_); }

  void Put(int socket, uint32_t number, std::string_view name) const {
    Mark mark = {.number = number};
    name.copy(mark.name.data(), mark.name.size());
    Check(bpf_map_update_elem(fd_, &socket, &mark, BPF_ANY) == 0, "BPF_MAP_UPDATE_ELEM");
  }
  int fd() const { return fd_; }
  uint32_t id() const { return id_; }

 private:
  Types types_;
  int fd_ = -1;
  uint32_t id_ = 0;
};

// The numbers that `row` has, by the id of the map.
std::map<uint32_t, uint32_t> NumbersOf(const InetSocket& socket) {
  std::map<uint32_t, uint32_t> numbers;
  for (size_t i = 0; const auto storage = socket.bpf_storage(i); ++i) {
    EXPECT_EQ(storage->value.size(), sizeof(Mark));
    numbers[storage->map_id] = netlink::Load<uint32_t>(storage->value).value_or(0);
  }
  EXPECT_EQ(numbers.size(), socket.bpf_storage_count().value_or(0));
  return numbers;
}

// inet_sk_diag_fill() reports storages of sockets with connections only, so the UDP socket's are
// not expected. Two maps; a pair of connected sockets, of which the client has a value in both maps
// and the server in one; and a UDP socket with one value.
class BpfStorageLive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF maps need root";
  }
  struct Population {
    StorageMap first, second;
    Pair pair = MakePair(Family::kInet);
    int udp = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    Population() {
      first.Put(pair.client, 11, "client");
      second.Put(pair.client, 12, "a\tb\x1b[31m");
      first.Put(pair.server, 21, "server");
      sockaddr_in6 name = {};
      name.sin6_family = AF_INET6;
      Check(bind(udp, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0, "bind");
      second.Put(udp, 32, "udp");
    }
    ~Population() {
      close(udp);
      close(pair.client);
      close(pair.server);
    }
    // What a query with these maps has to give, by cookie.
    std::map<Cookie, std::map<uint32_t, uint32_t>> Expected() const {
      return {{CookieOf(pair.client), {{first.id(), 11}, {second.id(), 12}}},
              {CookieOf(pair.server), {{first.id(), 21}}}};
    }
  };
  static std::map<Cookie, std::map<uint32_t, uint32_t>> Ask(std::vector<int> maps) {
    auto engine = Engine::Open();
    EXPECT_TRUE(engine.ok()) << engine.status();
    Query query{.protocols = {Protocol::kUdp, Protocol::kTcp},
                .extensions = Extension::kBpfStorages,
                .bpf_maps = std::move(maps)};
    std::map<Cookie, std::map<uint32_t, uint32_t>> found;
    const auto summary = (*engine)->Visit(query, [&](const Row& row) {
      const auto numbers = NumbersOf(*row.inet());
      if (!numbers.empty()) found[row.cookie()] = numbers;
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    for (const TableOutcome& outcome : summary->tables) {
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.source, SourceKind::kNetlink);
    }
    return found;
  }
};

TEST_F(BpfStorageLive, EverySocketHasItsValuesOfEveryMap) {
  InNewNetns([] {
    const Population population;
    EXPECT_EQ(Ask({}), population.Expected());
  });
}

TEST_F(BpfStorageLive, OnlyTheNamedMapsAreRead) {
  InNewNetns([] {
    const Population population;
    std::map<Cookie, std::map<uint32_t, uint32_t>> expected = {
        {CookieOf(population.pair.client), {{population.first.id(), 11}}},
        {CookieOf(population.pair.server), {{population.first.id(), 21}}}};
    EXPECT_EQ(Ask({population.first.fd()}), expected);
    EXPECT_EQ(Ask({population.first.fd(), population.second.fd()}), population.Expected());
  });
}

TEST_F(BpfStorageLive, TooManyMapsAreAnErrorOfTheTable) {
  auto engine = Engine::Open();
  ASSERT_TRUE(engine.ok());
  Query query{.protocols = {Protocol::kTcp},
              .extensions = Extension::kBpfStorages,
              .bpf_maps = std::vector<int>(kMaxBpfMaps + 1, 0)};
  const auto summary = (*engine)->Visit(query, [](const Row&) { return Flow::kContinue; });
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(Errno(summary->tables.at(0).status), EINVAL) << summary->tables.at(0).status;
}

TEST_F(BpfStorageLive, WithoutPrivilegesTheTableSaysWhatItNeeds) {
  AsNobody([] {
    auto engine = Engine::Open();
    ASSERT_TRUE(engine.ok());
    Query query{.protocols = {Protocol::kTcp}, .extensions = Extension::kBpfStorages};
    const auto summary = (*engine)->Visit(query, [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok());
    const TableOutcome& outcome = summary->tables.at(0);
    EXPECT_EQ(outcome.rows, 0u);
    EXPECT_NE(outcome.status.message().find("CAP_BPF"), std::string::npos) << outcome.status;
  });
}

TEST_F(BpfStorageLive, TextHasTheValueAsItsTypeWritesIt) {
  InNewNetns([] {
    const Population population;
    const std::string first = std::to_string(population.first.id());
    const Outcome lines =
        RunDiag({"-tnH", "--bpf-map-id", first,
                 "src = 127.0.0.1 and dport = :" +
                     std::to_string(LocalOf(population.pair.server).port.value())});
    EXPECT_EQ(lines.exit_code, 0) << lines.err;
    const std::string expected = "\n\tmap_id:" + first +
                                 " [\n\t\t(struct mark){\n\t\t\t.number = (unsigned int)11,\n"
                                 "\t\t\t.name = (char[12])[\n";
    EXPECT_NE(lines.out.find(expected), std::string::npos) << lines.out;
    EXPECT_NE(lines.out.find("\n\t\t}\n\t]\n"), std::string::npos) << lines.out;
    const Outcome all = RunDiag({"-tnHO", "--bpf-maps"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_NE(all.out.find(" map_id:" + first + "(struct mark){"), std::string::npos) << all.out;
    EXPECT_EQ(all.out.find('\x1b'), std::string::npos) << "an escape sequence reached the output";
  });
}

TEST_F(BpfStorageLive, JsonHasTheBytes) {
  InNewNetns([] {
    const Population population;
    const Outcome json = RunDiag({"-tn", "--jsonl", "--bpf-maps"});
    EXPECT_EQ(json.exit_code, 0) << json.err;
    EXPECT_NE(
        json.out.find("\"bpf_storages\":[{\"map_id\":" + std::to_string(population.first.id()) +
                      ",\"value_hex\":\"15000000736572766572"),
        std::string::npos)
        << json.out;
  });
}

TEST_F(BpfStorageLive, AMapThatDoesNotExistIsNamed) {
  const Outcome outcome = RunDiag({"-tn", "--bpf-map-id", "4294967295"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("BPF map 4294967295"), std::string::npos) << outcome.err;
  EXPECT_EQ(RunDiag({"-tn", "--bpf-map-id", "x"}).exit_code, 2);
  EXPECT_EQ(RunDiag({"-tn", "--bpf-map-id", "1", "--bpf-maps"}).exit_code, 2);
}

}  // namespace
}  // namespace netdiag::testing
