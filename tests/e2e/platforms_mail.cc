#include "tests/e2e/platforms_mail.h"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <stdexcept>

#include "gateway/cluster/cluster.h"
#include "gateway/secrets/keyring.h"
#include "gateway/simulate/world.h"
#include "gateway/store/vault.h"

namespace e2e {
namespace {

using gateway::simulate::json_text;
using gateway::simulate::MailOptions;
using gateway::simulate::MailTls;
using gateway::simulate::SmsOptions;

SmsOptions sms_options() {
  SmsOptions options;
  options.time_scale = 0.02;
  return options;
}

// The certificate is of the name the gateway connects to behind its upstreams.
MailOptions mail_options(MailTls tls) {
  MailOptions options;
  options.time_scale = 0.001;
  options.tls = tls;
  options.host = "localhost";
  return options;
}

void must(const gateway::Result<>& done) {
  if (!done) throw std::runtime_error(done.error().message);
}

}  // namespace

MailPlatforms& MailPlatforms::instance() {
  static MailPlatforms platforms;
  return platforms;
}

MailPlatforms::MailPlatforms()
    : sms_(sms_options()),
      mail_(mail_options(MailTls::starttls)),
      secure_(mail_options(MailTls::implicit)) {
  must(sms_.start());
  must(mail_.start());
  must(secure_.start());
  std::string name =
      (std::filesystem::temp_directory_path() / "backchannel-e2e-ca-XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file < 0) throw std::runtime_error("no temporary file");
  close(file);
  certificates_ = name;
  std::ofstream(certificates_) << mail_.certificate_pem() << secure_.certificate_pem();
}

MailPlatforms::~MailPlatforms() {
  sms_.stop();
  mail_.stop();
  secure_.stop();
  std::error_code ignored;
  std::filesystem::remove(certificates_, ignored);
}

std::string MailPlatforms::upstreams() const {
  auto all = sms_.upstreams();
  for (const auto& [from, to] : mail_.upstreams()) {
    if (from.starts_with("https:")) all.emplace_back(from, to);
  }
  const auto server = [&](const std::string& from, const std::string& scheme, std::uint16_t port) {
    all.emplace_back(from, scheme + "://localhost:" + std::to_string(port));
  };
  server("smtp://mail.simulated.example:587", "smtp", mail_.smtp_port());
  server("imap://mail.simulated.example:143", "imap", mail_.imap_port());
  server("smtps://secure.simulated.example:465", "smtps", secure_.smtp_port());
  server("imaps://secure.simulated.example:993", "imaps", secure_.imap_port());
  return gateway::simulate::upstreams_setting(all);
}

Answer Line::connect(const std::string& type, const std::string& config, const std::string& state) {
  Answer created =
      Gateway::instance().call("POST", "/api/v1/channels/", tenant.token,
                               "{\"type\":\"" + type + "\",\"config\":" + config + "}");
  BOOST_REQUIRE_MESSAGE(created.status == 201, created.body);
  id = created.json()["id"].text_or("");
  path = "/api/v1/webhooks/" + type + "/" + id;
  if (!state.empty()) {
    BOOST_REQUIRE_MESSAGE(eventually([&] { return registration() == state; }, 60s), registration());
  }
  return created;
}

std::string Line::registration() const {
  return std::string(Gateway::instance()
                         .call("GET", "/api/v1/channels/" + id, tenant.token)
                         .json()["registration"]["state"]
                         .text_or(""));
}

std::string Line::url() const {
  return "http://127.0.0.1:" + std::to_string(Gateway::instance().port()) + path;
}

HttpClient::Answer Line::post(const HttpClient::Headers& headers, const std::string& body,
                              const std::string& behind) const {
  HttpClient client(Gateway::instance().port());
  return client.call("POST", path + behind, headers, body);
}

int Line::rows(const std::string& table) const {
  return std::stoi(Gateway::instance().query("select count(*) from backchannel." + table +
                                             " where channel_id = '" + id + "'"));
}

bool Line::has_no_rows() const {
  for (const char* table : {"message", "raw_event", "event_key", "quarantine", "conversation"}) {
    if (rows(table) != 0) return false;
  }
  return true;
}

void Line::run_job(int operation) const {
  Gateway::instance().query(
      "insert into backchannel.registration_job as j (tenant_id, channel_id, operation,"
      " channel_type, deadline) select tenant_id, id, " +
      std::to_string(operation) + ", type, 'infinity' from backchannel.channel where id = '" + id +
      "' on conflict (tenant_id, channel_id, operation) where operation <> 2 do update"
      " set wanted = j.wanted + 1, attempt = 0,"
      " next_at = case when j.lease_owner is null then clock_timestamp() else j.next_at end"
      " returning 1");
}

void Line::set_state(const std::vector<std::pair<std::string, std::string>>& changes) const {
  namespace store = gateway::store;
  gateway::cluster::ClusterOptions options;
  options.data_dir = Gateway::instance().folder() / "data";
  const auto cluster = gateway::cluster::Cluster::attach_or_start(std::move(options));
  BOOST_REQUIRE(cluster);
  const auto keyring = gateway::secrets::Keyring::load(
      (Gateway::instance().folder() / "data" / "master.keys").string());
  BOOST_REQUIRE(keyring);
  store::SessionOptions session;
  session.conninfo = gateway::Secret(cluster->owner_conninfo());
  store::Session db(std::move(session));
  store::Vault vault(*keyring);
  const auto business = *gateway::domain::BusinessId::parse(tenant.business);
  const auto row = *gateway::Uuid::parse(id);
  const auto scope = store::Scope::of(business);
  const auto rows = db.run(
      scope,
      {"select state_sealed from channel where tenant_id = $1 and id = $2", {business, row}});
  BOOST_REQUIRE(rows);
  std::vector<std::pair<std::string, std::string>> state;
  if (const std::string sealed = rows->bytes(0, 0); !sealed.empty()) {
    const auto opened = vault.open(db, business, store::kChannelState, row, sealed);
    BOOST_REQUIRE(opened);
    const auto document = sdk::json::Document::parse(opened->reveal());
    BOOST_REQUIRE(document);
    for (const auto& [name, value] : document->root().members()) {
      state.emplace_back(name, value.text_or(""));
    }
  }
  for (const auto& [name, value] : changes) {
    std::erase_if(state, [&, n = name](const auto& old) { return old.first == n; });
    state.emplace_back(name, value);
  }
  sdk::json::Writer json;
  json.object();
  for (const auto& [name, value] : state) json.member(name, value);
  json.end();
  const auto sealed = vault.seal(db, business, store::kChannelState, row, json.take());
  BOOST_REQUIRE(sealed);
  BOOST_REQUIRE(
      db.run(scope, {"update channel set state_sealed = $3 where tenant_id = $1 and id = $2",
                     {business, row, *sealed}}));
}

Answer Line::talk() const {
  const std::string only = only_conversation(tenant);
  return only.empty() ? Answer{} : conversation(tenant, only);
}

bool Line::has_messages(std::size_t count, std::chrono::milliseconds patience) const {
  std::size_t last = 0;
  const bool came = eventually(
      [&] {
        last = talk().json()["messages"].size();
        return last == count;
      },
      patience);
  if (!came) BOOST_TEST_MESSAGE("there are " << last << " messages");
  return came;
}

std::string Line::answer(const std::string& text, const std::string& further) const {
  const Answer sent = Gateway::instance().call(
      "POST", "/api/v1/conversations/" + only_conversation(tenant) + "/messages", tenant.token,
      "{\"content\":" + json_text(text) + further + "}");
  BOOST_REQUIRE_MESSAGE(sent.status == 201, sent.body);
  BOOST_TEST(sent.json()["status"].text_or("") == "queued");
  return std::string(sent.json()["id"].text_or(""));
}

std::string Line::fact(const std::string& message, const std::string& name) const {
  Answer keep;
  for (const auto item : conversations(keep, tenant)) {
    const Answer shown = conversation(tenant, std::string(item["id"].text_or("")));
    for (const auto one : shown.json()["messages"].elements()) {
      if (one["id"].text_or("") == message) return std::string(one[name].text_or(""));
    }
  }
  return "absent";
}

bool Line::becomes(const std::string& message, const std::string& status,
                   std::chrono::milliseconds patience) const {
  std::string last;
  const bool came =
      eventually([&] { return (last = fact(message, "status")) == status; }, patience);
  if (!came) BOOST_TEST_MESSAGE("the status is " << last << ": " << fact(message, "error"));
  return came;
}

HttpClient::Answer fetch_file(std::string_view url) {
  const std::string base = "http://127.0.0.1:" + std::to_string(Gateway::instance().port());
  BOOST_REQUIRE_MESSAGE(url.starts_with(base), url);
  HttpClient client(Gateway::instance().port());
  return client.call("GET", std::string(url.substr(base.size())));
}

}  // namespace e2e
