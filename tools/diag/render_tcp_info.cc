// The tokens of -i for a TCP socket, in ss's words and order. Fields are found by name in the
// struct tables. Tested by tests/tools/render_ss_test.cc and against ss itself by
// tests/live/ss_differential_test.cc.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/diag/render.h"
#include "tools/diag/table_buffer.h"

namespace diag {
namespace {

using netdiag::BbrInfo;
using netdiag::DctcpInfo;
using netdiag::InetSocket;
using netdiag::StructField;
using netdiag::SubflowInfo;
using netdiag::TcpInfo;
using netdiag::TcpOption;
using netdiag::TlsInfo;
using netdiag::VegasInfo;

// Writes the tokens of one socket. Each public function writes less than kSection bytes and then
// calls EndSection().
class Writer {
 public:
  Writer(const InetSocket& socket, const TcpInfo& info, const ListOptions& options,
         TableBuffer* out)
      : socket_(socket),
        info_(info),
        unset_(info.UnsetAsAWhole()),
        options_(options),
        out_(out),
        at_(out->Reserve(kSection)) {}

  void Flags();
  void Timing();
  void Segments();
  void Counters();
  void Congestion();
  void Rates();
  void Limits();
  void Losses();
  void Receiver();

 private:
  static constexpr size_t kSection = 4096;
  // Inlined, because copying a literal is then one or two instructions.
  [[gnu::always_inline]] void Put(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  [[gnu::always_inline]] void Text(std::string_view token) {
    *at_++ = ' ';
    Put(token);
  }
  void Number(uint64_t value) { at_ = WriteNumber(value, at_); }
  [[gnu::always_inline]] void Token(std::string_view name, uint64_t value) {
    Text(name);
    Number(value);
  }
  // Microseconds shown as milliseconds.
  [[gnu::always_inline]] void Milliseconds(std::string_view name, uint64_t microseconds) {
    Text(name);
    at_ = WriteThousandths(microseconds, at_);
  }
  // Bits a second.
  [[gnu::always_inline]] void Rate(std::string_view name, double bits) {
    Text(name);
    PutRate(bits);
  }
  void PutRate(double bits);

  // The value of a tcp_info field; 0 if it has none. ss makes no difference between the two.
  [[gnu::always_inline]] uint64_t Get(const StructField& field) const {
    return info_.ValueOf(field, unset_).value_or(0);
  }
  [[gnu::always_inline]] void IfNotZero(std::string_view name, const StructField& field) {
    if (const uint64_t value = Get(field); value != 0) Token(name, value);
  }
  [[gnu::always_inline]] void MillisecondsIfNotZero(std::string_view name,
                                                    const StructField& field) {
    if (const uint64_t value = Get(field); value != 0) Milliseconds(name, value);
  }
  void EndSection() {
    out_->Commit(at_);
    at_ = out_->Reserve(kSection);
  }

  const InetSocket& socket_;
  const TcpInfo& info_;
  const netdiag::UnsetSet unset_;
  const ListOptions& options_;
  TableBuffer* out_;
  char* at_;  // the end of the written bytes, with room for a section
};

#define FIELD(name) TcpInfo::Field(name)

void Writer::PutRate(double bits) {
  if (options_.style.numeric) {
    at_ = WriteFixed(bits, 0, at_);
  } else {
    struct Scale {
      double unit;
      char letter;
    };
    static constexpr Scale kScales[] = {{1e12, 'T'}, {1e9, 'G'}, {1e6, 'M'}, {1e3, 'k'}};
    const Scale* scale = nullptr;
    for (const Scale& row : kScales) {
      if (scale == nullptr && bits > row.unit) scale = &row;
    }
    if (scale == nullptr) {
      at_ = WriteGeneral(bits, 6, at_);
    } else {
      at_ = WriteGeneral(bits / scale->unit, 3, at_);
      *at_++ = scale->letter;
    }
  }
  Put("bps");
}

void Writer::Flags() {
  const netdiag::TcpOptionSet set = OptionsOf(info_);
  if (options_.shows(Detail::kTimers)) {
    if (set.contains(TcpOption::kTimestamps)) Text("ts");
    if (set.contains(TcpOption::kMicrosecondTimestamps)) Text("usec_ts");
    if (set.contains(TcpOption::kSack)) Text("sack");
    if (set.contains(TcpOption::kEcn)) Text("ecn");
    if (set.contains(TcpOption::kEcnSeen)) Text("ecnseen");
    if (set.contains(TcpOption::kSynData)) Text("fastopen");
  }
  if (!socket_.congestion().empty()) {
    *at_++ = ' ';
    out_->Commit(at_);
    AppendField(socket_.congestion(), out_->text());
    at_ = out_->Reserve(kSection);
  }
  if (set.contains(TcpOption::kWindowScale)) {
    Token("wscale:", Get(FIELD("snd_wscale")));
    *at_++ = ',';
    Number(Get(FIELD("rcv_wscale")));
  }
  EndSection();
}

void Writer::Timing() {
  // 3 s is the initial value.
  if (const uint64_t rto = Get(FIELD("rto")); rto != 0 && rto != 3'000'000)
    Milliseconds("rto:", rto);
  IfNotZero("backoff:", FIELD("backoff"));
  if (const uint64_t rtt = Get(FIELD("rtt")); rtt != 0) {
    Milliseconds("rtt:", rtt);
    *at_++ = '/';
    at_ = WriteThousandths(Get(FIELD("rttvar")), at_);
  }
  MillisecondsIfNotZero("ato:", FIELD("ato"));
  EndSection();
}

void Writer::Segments() {
  IfNotZero("mss:", FIELD("snd_mss"));
  IfNotZero("pmtu:", FIELD("pmtu"));
  IfNotZero("rcvmss:", FIELD("rcv_mss"));
  IfNotZero("advmss:", FIELD("advmss"));
  IfNotZero("cwnd:", FIELD("snd_cwnd"));
  // ss shows values of 16 bits only.
  if (const uint64_t value = Get(FIELD("snd_ssthresh")); value != 0 && value < 0xffff)
    Token("ssthresh:", value);
  EndSection();
}

void Writer::Counters() {
  IfNotZero("bytes_sent:", FIELD("bytes_sent"));
  IfNotZero("bytes_retrans:", FIELD("bytes_retrans"));
  IfNotZero("bytes_acked:", FIELD("bytes_acked"));
  IfNotZero("bytes_received:", FIELD("bytes_received"));
  IfNotZero("segs_out:", FIELD("segs_out"));
  IfNotZero("segs_in:", FIELD("segs_in"));
  IfNotZero("data_segs_out:", FIELD("data_segs_out"));
  IfNotZero("data_segs_in:", FIELD("data_segs_in"));
  EndSection();
}

void Writer::Congestion() {
  if (const std::optional<DctcpInfo> dctcp = socket_.dctcp()) {
    const auto get = [&](const StructField& field) { return (*dctcp)[field].value_or(0); };
    if (get(DctcpInfo::Field("enabled")) == 0) {
      Text("dctcp:fallback_mode");
    } else {
      Token("dctcp:(ce_state:", get(DctcpInfo::Field("ce_state")));
      Put(",alpha:");
      Number(get(DctcpInfo::Field("alpha")));
      Put(",ab_ecn:");
      Number(get(DctcpInfo::Field("ab_ecn")));
      Put(",ab_tot:");
      Number(get(DctcpInfo::Field("ab_tot")));
      *at_++ = ')';
    }
  }
  if (const std::optional<BbrInfo> bbr = socket_.bbr()) {
    const auto get = [&](const StructField& field) { return (*bbr)[field].value_or(0); };
    const uint64_t bytes = get(BbrInfo::Field("bw_hi")) << 32 | get(BbrInfo::Field("bw_lo"));
    Rate("bbr:(bw:", static_cast<double>(bytes) * 8);
    Put(",mrtt:");
    at_ = WriteThousandths(get(BbrInfo::Field("min_rtt")), at_);
    if (const uint64_t gain = get(BbrInfo::Field("pacing_gain")); gain != 0) {
      Put(",pacing_gain:");
      at_ = WriteGeneral(static_cast<double>(gain) / 256, 6, at_);
    }
    if (const uint64_t gain = get(BbrInfo::Field("cwnd_gain")); gain != 0) {
      Put(",cwnd_gain:");
      at_ = WriteGeneral(static_cast<double>(gain) / 256, 6, at_);
    }
    *at_++ = ')';
  }
  EndSection();
}

void Writer::Rates() {
  // The rate of one window for each round trip. Vegas measures its own round trip.
  uint64_t rtt = Get(FIELD("rtt"));
  if (const std::optional<VegasInfo> vegas = socket_.vegas()) {
    if ((*vegas)[VegasInfo::Field("enabled")].value_or(0) != 0)
      rtt = vegas->ValueOf(VegasInfo::Field("rtt")).value_or(rtt);
  }
  const uint64_t window = Get(FIELD("snd_cwnd")) * Get(FIELD("snd_mss"));
  if (rtt > 0 && window > 0) {
    Rate("send ", static_cast<double>(window) * 8e6 / static_cast<double>(rtt));
  }
  IfNotZero("lastsnd:", FIELD("last_data_sent"));
  IfNotZero("lastrcv:", FIELD("last_data_recv"));
  IfNotZero("lastack:", FIELD("last_ack_recv"));
  if (const uint64_t pacing = Get(FIELD("pacing_rate")); pacing != 0) {
    Rate("pacing_rate ", static_cast<double>(pacing) * 8);
    if (const uint64_t most = Get(FIELD("max_pacing_rate")); most != 0) {
      *at_++ = '/';
      PutRate(static_cast<double>(most) * 8);
    }
  }
  if (const uint64_t rate = Get(FIELD("delivery_rate")); rate != 0) {
    Rate("delivery_rate ", static_cast<double>(rate) * 8);
  }
  IfNotZero("delivered:", FIELD("delivered"));
  IfNotZero("delivered_ce:", FIELD("delivered_ce"));
  if (Get(FIELD("delivery_rate_app_limited")) != 0) Text("app_limited");
  EndSection();
}

void Writer::Limits() {
  const uint64_t busy = Get(FIELD("busy_time"));
  if (busy == 0) return;
  const auto share = [&](std::string_view name, uint64_t time) {
    if (time == 0) return;
    Token(name, time / 1000);
    Put("ms(");
    at_ = WriteFixed(100.0 * static_cast<double>(time) / static_cast<double>(busy), 1, at_);
    Put("%)");
  };
  Token("busy:", busy / 1000);
  Put("ms");
  share("rwnd_limited:", Get(FIELD("rwnd_limited")));
  share("sndbuf_limited:", Get(FIELD("sndbuf_limited")));
  EndSection();
}

void Writer::Losses() {
  IfNotZero("unacked:", FIELD("unacked"));
  const uint64_t now = Get(FIELD("retrans"));
  const uint64_t total = Get(FIELD("total_retrans"));
  if (now != 0 || total != 0) {
    Token("retrans:", now);
    *at_++ = '/';
    Number(total);
  }
  IfNotZero("lost:", FIELD("lost"));
  IfNotZero("sacked:", FIELD("sacked"));
  IfNotZero("dsack_dups:", FIELD("dsack_dups"));
  IfNotZero("fackets:", FIELD("fackets"));
  if (const uint64_t value = Get(FIELD("reordering")); value != 3 && value != 0)
    Token("reordering:", value);
  IfNotZero("reord_seen:", FIELD("reord_seen"));
  EndSection();
}

void Writer::Receiver() {
  MillisecondsIfNotZero("rcv_rtt:", FIELD("rcv_rtt"));
  IfNotZero("rcv_space:", FIELD("rcv_space"));
  IfNotZero("rcv_ssthresh:", FIELD("rcv_ssthresh"));
  IfNotZero("notsent:", FIELD("notsent_bytes"));
  MillisecondsIfNotZero("minrtt:", FIELD("min_rtt"));
  IfNotZero("rcv_ooopack:", FIELD("rcv_ooopack"));
  IfNotZero("snd_wnd:", FIELD("snd_wnd"));
  IfNotZero("rcv_wnd:", FIELD("rcv_wnd"));
  IfNotZero("rehash:", FIELD("rehash"));
  EndSection();
}

#undef FIELD

void AppendMd5Keys(const InetSocket& socket, std::string* out) {
  // The keys are secrets: show only that they exist, and their lengths.
  for (size_t i = 0;; ++i) {
    const std::optional<netdiag::Md5Key> key = socket.md5_key(i);
    if (!key) return;
    out->append(i == 0 ? " md5keys:" : ",");
    key->address.AppendTo(out);
    out->push_back('/');
    AppendNumber(key->prefix_length, out);
    out->append("=<");
    AppendNumber(key->key.size(), out);
    out->append(" bytes>");
  }
}

struct CodeName {
  uint64_t code;
  std::string_view name;
};

// Appends `token` and the name of `code`, or "unknown(N)"; nothing if there is no code.
void AppendName(std::string_view token, std::optional<uint64_t> code,
                std::span<const CodeName> names, std::string* out) {
  if (!code) return;
  out->append(token);
  const auto row = std::ranges::find(names, *code, &CodeName::code);
  if (row != names.end()) {
    out->append(row->name);
    return;
  }
  out->append("unknown(");
  AppendNumber(*code, out);
  out->push_back(')');
}

void AppendTls(const TlsInfo& tls, std::string* out) {
  // Source: include/uapi/linux/tls.h.
  static constexpr CodeName kVersions[] = {{0x303, "1.2"}, {0x304, "1.3"}};
  static constexpr CodeName kCiphers[] = {
      {51, "aes-gcm-128"}, {52, "aes-gcm-256"}, {53, "aes-ccm-128"},  {54, "chacha20-poly1305"},
      {55, "sm4-gcm"},     {56, "sm4-ccm"},     {57, "aria-gcm-128"}, {58, "aria-gcm-256"}};
  static constexpr CodeName kModes[] = {{1, "none"}, {2, "sw"}, {3, "hw"}, {4, "hw-record"}};
  AppendName(" version: ", tls[TlsInfo::Field("version")], kVersions, out);
  AppendName(" cipher: ", tls[TlsInfo::Field("cipher")], kCiphers, out);
  AppendName(" rxconf: ", tls[TlsInfo::Field("rx_mode")], kModes, out);
  AppendName(" txconf: ", tls[TlsInfo::Field("tx_mode")], kModes, out);
  if (tls[TlsInfo::Field("tx_zero_copy")]) out->append(" zc_ro_tx");
  if (tls[TlsInfo::Field("rx_no_padding")]) out->append(" no_pad_rx");
  if (const std::optional<uint64_t> size = tls[TlsInfo::Field("tx_max_payload")]) {
    out->append(" tx_max_payload:");
    AppendNumber(*size, out);
  }
}

void AppendSubflow(const SubflowInfo& mptcp, std::string* out) {
  if (const uint64_t flags = mptcp[SubflowInfo::Field("flags")].value_or(0); flags != 0) {
    out->append(" flags:");
    // One letter for each bit, from the lowest.
    static constexpr std::string_view kLetters = "MmJjBbecv";
    for (size_t bit = 0; bit < kLetters.size(); ++bit) {
      if ((flags >> bit & 1) != 0) out->push_back(kLetters[bit]);
    }
  }
  const auto token = [&](std::string_view lead, std::optional<uint64_t> value,
                         std::optional<uint64_t> id) {
    out->append(lead);
    std::string digits;
    AppendNumber(value.value_or(0), &digits, 16);
    out->append(digits.size() < 4 ? 4 - digits.size() : 0, '0').append(digits).append("(id:");
    AppendNumber(id.value_or(0), out);
    out->push_back(')');
  };
  token(" token:", mptcp[SubflowInfo::Field("remote_token")],
        mptcp[SubflowInfo::Field("remote_id")]);
  token("/", mptcp[SubflowInfo::Field("local_token")], mptcp[SubflowInfo::Field("local_id")]);
  const auto number = [&](std::string_view name, std::optional<uint64_t> value) {
    if (!value) return;
    out->append(name);
    AppendNumber(*value, out);
  };
  number(" seq:", mptcp[SubflowInfo::Field("map_sequence")]);
  number(" sfseq:", mptcp[SubflowInfo::Field("map_subflow_sequence")]);
  number(" ssnoff:", mptcp[SubflowInfo::Field("subflow_offset")]);
  number(" maplen:", mptcp[SubflowInfo::Field("map_length")]);
}

}  // namespace

void WriteTcpInfo(const InetSocket& socket, const ListOptions& options, TableBuffer* table) {
  if (const std::optional<TcpInfo> info = socket.tcp_info()) {
    Writer writer(socket, *info, options, table);
    writer.Flags();
    writer.Timing();
    writer.Segments();
    writer.Counters();
    writer.Congestion();
    writer.Rates();
    writer.Limits();
    writer.Losses();
    writer.Receiver();
  }
  std::string* const out = table->text();
  AppendMd5Keys(socket, out);
  if (const std::optional<netdiag::UlpInfo> ulp = socket.ulp()) {
    out->append(" tcp-ulp-");
    AppendField(ulp->name, out);
    if (ulp->tls) AppendTls(*ulp->tls, out);
    if (ulp->mptcp) AppendSubflow(*ulp->mptcp, out);
  }
}

}  // namespace diag
