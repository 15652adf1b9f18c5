// What mail providers promise and demand, by their documents: documentation.mailgun.com
// receive-forward-store, postmarkapp.com/developer, twilio.com/docs/sendgrid parsing-email,
// docs.aws.amazon.com sns verify-signature and ses (read 2026-11-20).
#include "gateway/simulate/mail_simulator.h"

#include <curl/curl.h>

#include <boost/test/unit_test.hpp>
#include <set>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/aws_signature.h"
#include "tests/simulate/callback.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::Callback;
using test_support::HttpAnswer;
using test_support::HttpClient;
using test_support::Json;
using test_support::Received;

namespace {

const std::string kAddress = "support@acme.example";
const std::string kTopic = "arn:aws:sns:us-east-1:000000000000:inbound-mail";

struct Fixture {
  static MailOptions options() {
    MailOptions chosen;
    chosen.time_scale = 0.00001;
    return chosen;
  }
  Callback hook;
  MailSimulator mail{options()};
  std::optional<HttpClient> mailgun, postmark, sendgrid, amazon;

  Fixture() {
    BOOST_REQUIRE(mail.start());
    mailgun.emplace(mail.port("api.mailgun.net"));
    postmark.emplace(mail.port("api.postmarkapp.com"));
    sendgrid.emplace(mail.port("api.sendgrid.com"));
    amazon.emplace(mail.port("sns.amazonaws.com"));
  }
  ~Fixture() { mail.stop(); }

  static HttpClient::Headers mailgun_headers(const std::string& type) {
    return {{"Authorization", "Basic " + sdk::base64("api:key-1")}, {"Content-Type", type}};
  }
  HttpClient::Answer mailgun_form(const std::string& method, const std::string& path,
                                  const sdk::Form& fields) {
    return mailgun->call(method, path, mailgun_headers("application/x-www-form-urlencoded"),
                         sdk::encode_form(fields));
  }
  HttpClient::Answer postmark_json(const std::string& method, const std::string& path,
                                   const std::string& json) {
    return postmark->call(
        method, path,
        {{"X-Postmark-Server-Token", "pm-token"}, {"Content-Type", "application/json"}}, json);
  }
  HttpClient::Answer sendgrid_json(const std::string& method, const std::string& path,
                                   const std::string& json) {
    return sendgrid->call(
        method, path, {{"Authorization", "Bearer SG.key"}, {"Content-Type", "application/json"}},
        json);
  }
  // A call signed as AWS wants it; the host signed is the platform's.
  HttpClient::Answer aws(const std::string& method, const std::string& path,
                         const std::string& service, const std::string& body,
                         const std::string& secret = "secret") {
    const std::string host =
        (service == "ses" ? "email" : "sns") + std::string(".us-east-1.amazonaws.com");
    const std::string date = "20261120T090000Z";
    const std::string canonical = method + "\n" + path + "\n\nhost:" + host +
                                  "\nx-amz-date:" + date + "\n\nhost;x-amz-date\n" +
                                  sdk::hex(sdk::sha256(body));
    const std::string scope = "20261120/us-east-1/" + service + "/aws4_request";
    const std::string text =
        "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sdk::hex(sdk::sha256(canonical));
    std::string key = "AWS4" + secret;
    for (const std::string& part : {std::string("20261120"), std::string("us-east-1"), service,
                                    std::string("aws4_request")}) {
      key = sdk::hmac_sha256(key, part);
    }
    return amazon->call(method, path,
                        {{"x-amz-date", date},
                         {"Content-Type", service == "ses" ? "application/json"
                                                           : "application/x-www-form-urlencoded"},
                         {"Authorization", "AWS4-HMAC-SHA256 Credential=AKID/" + scope +
                                               ", SignedHeaders=host;x-amz-date, Signature=" +
                                               sdk::hex(sdk::hmac_sha256(key, text))}},
                        body);
  }
  // An object or a list of the bucket, signed as S3 wants it.
  HttpClient::Answer s3_get(const std::string& path, const std::string& query,
                            const std::string& secret = "secret",
                            const std::string& body_digest = sdk::hex(sdk::sha256(""))) {
    const std::string date = "20261120T090000Z";
    const std::string names = "host;x-amz-content-sha256;x-amz-date";
    const std::string canonical = "GET\n" + path + "\n" + query +
                                  "\nhost:simulated-mail.s3.us-east-1.amazonaws.com\n" +
                                  "x-amz-content-sha256:" + body_digest + "\nx-amz-date:" + date +
                                  "\n\n" + names + "\n" + sdk::hex(sdk::sha256(""));
    const std::string scope = "20261120/us-east-1/s3/aws4_request";
    std::string key = "AWS4" + secret;
    for (const char* part : {"20261120", "us-east-1", "s3", "aws4_request"}) {
      key = sdk::hmac_sha256(key, part);
    }
    const std::string text =
        "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sdk::hex(sdk::sha256(canonical));
    HttpClient bucket(mail.port("s3.amazonaws.com"));
    return bucket.call(
        "GET", path + (query.empty() ? "" : "?" + query),
        {{"x-amz-date", date},
         {"x-amz-content-sha256", body_digest},
         {"Authorization", "AWS4-HMAC-SHA256 Credential=AKID/" + scope + ", SignedHeaders=" +
                               names + ", Signature=" + sdk::hex(sdk::hmac_sha256(key, text))}});
  }
};

// The parts of a multipart body by name.
std::map<std::string, std::string> parts_of(const Received& request) {
  const std::string type = request.header("content-type");
  const std::string delimiter = "--" + type.substr(type.find("boundary=") + 9);
  std::map<std::string, std::string> out;
  std::size_t at = request.body.find(delimiter);
  while (at != std::string::npos) {
    const std::size_t name = request.body.find("name=\"", at);
    const std::size_t begin = request.body.find("\r\n\r\n", at);
    const std::size_t end = request.body.find("\r\n" + delimiter, begin);
    if (name == std::string::npos || end == std::string::npos) break;
    out[request.body.substr(name + 6, request.body.find('"', name + 6) - name - 6)] =
        request.body.substr(begin + 4, end - begin - 4);
    at = end + 2;
  }
  return out;
}

std::string field(const Received& request, const std::string& name) {
  const auto form = sdk::parse_form(request.body);
  return std::string(sdk::find(form, name).value_or("(absent)"));
}

struct Curl {
  CURL* easy = curl_easy_init();
  ~Curl() { curl_easy_cleanup(easy); }
};

// Submits a mail with libcurl; the CURLcode and the last reply's code.
std::pair<CURLcode, long> submit(std::uint16_t port, const std::string& to, const std::string& mail,
                                 const std::string& user = {}, const std::string& ca = {}) {
  Curl curl;
  std::string rest = mail;
  const auto read = +[](char* out, std::size_t, std::size_t size, void* from) -> std::size_t {
    auto& text = *static_cast<std::string*>(from);
    const std::size_t count = std::min(size, text.size());
    std::copy_n(text.data(), count, out);
    text.erase(0, count);
    return count;
  };
  curl_slist* recipients = curl_slist_append(nullptr, to.c_str());
  const std::string host = ca.empty() ? "127.0.0.1" : "mail.simulated.example";
  const std::string url = "smtp://" + host + ":" + std::to_string(port) + "/gw.example";
  curl_slist* resolve =
      curl_slist_append(nullptr, (host + ":" + std::to_string(port) + ":127.0.0.1").c_str());
  curl_easy_setopt(curl.easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.easy, CURLOPT_RESOLVE, resolve);
  curl_easy_setopt(curl.easy, CURLOPT_MAIL_FROM, "support@acme.example");
  curl_easy_setopt(curl.easy, CURLOPT_MAIL_RCPT, recipients);
  curl_easy_setopt(curl.easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.easy, CURLOPT_READFUNCTION, read);
  curl_easy_setopt(curl.easy, CURLOPT_READDATA, &rest);
  curl_easy_setopt(curl.easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.size()));
  curl_easy_setopt(curl.easy, CURLOPT_TIMEOUT, 20L);
  if (!user.empty()) {
    curl_easy_setopt(curl.easy, CURLOPT_USERNAME, user.c_str());
    curl_easy_setopt(curl.easy, CURLOPT_PASSWORD, "pass");
  }
  if (!ca.empty()) {
    curl_blob blob{const_cast<char*>(ca.data()), ca.size(), CURL_BLOB_COPY};
    curl_easy_setopt(curl.easy, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
    curl_easy_setopt(curl.easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  const CURLcode code = curl_easy_perform(curl.easy);
  long reply = 0;
  curl_easy_getinfo(curl.easy, CURLINFO_RESPONSE_CODE, &reply);
  curl_slist_free_all(recipients);
  curl_slist_free_all(resolve);
  return {code, reply};
}

std::string our_mail(const std::string& to) {
  Draft draft;
  draft.from = kAddress;
  draft.to = to;
  draft.subject = "Re: Order 4417";
  draft.text = "It is on its way.";
  draft.message_id = "<gw.c1.m1@acme.example>";
  draft.headers = {{"Reply-To", "support+c-1@acme.example"}};
  draft.date_ms = 1'795'165'200'000;
  return write_mail(draft);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(mail_simulator, Fixture)

BOOST_AUTO_TEST_CASE(a_raw_mailbox_gets_the_bytes_with_the_envelope) {
  mail.add_raw({.address = kAddress, .url = hook.url("/mail?key=k"), .headers = {{"X-Key", "s"}}});
  const std::string id =
      mail.write("support+c-1@acme.example", "ana", "Order 4417", "Where is it?");
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("content-type") == "message/rfc822");
  BOOST_TEST(seen.header("x-key") == "s");
  BOOST_TEST(seen.target ==
             "/mail?key=k&rcpt=support%2Bc-1%40acme.example&sender=ana%40customer.example");
  const MailView view = read_mail(seen.body);
  BOOST_TEST(view.header("Message-ID") == id);
  BOOST_TEST(problems_of(seen.body, view).empty());
  mail.write("nobody@acme.example", "ana", "x", "y");
  BOOST_TEST(mail.wait_idle(20s));
  BOOST_TEST(mail.delivery_stats().unwanted == 1);
}

BOOST_AUTO_TEST_CASE(mailgun_routes_decide_where_mail_goes) {
  mail.add_mailgun({.api_key = "key-1", .signing_key = "mgsigningkey", .domain = "acme.example"});
  BOOST_TEST(
      mailgun->call("GET", "/v3/routes", {{"Authorization", "Basic " + sdk::base64("api:wrong")}})
          .status == 401);
  BOOST_TEST(mailgun_form("POST", "/v3/routes", {{"action", "stop()"}}).status == 400);
  BOOST_TEST(mailgun_form("POST", "/v3/routes",
                          {{"expression", "catch_all()"}, {"action", "forward(\"nonsense://x\")"}})
                 .status == 400);
  const auto made =
      mailgun_form("POST", "/v3/routes",
                   {{"priority", "0"},
                    {"expression", R"(match_recipient("support(\+.*)?@acme.example"))"},
                    {"action", "forward(\"" + hook.url("/mail") + "\")"},
                    {"action", "stop()"}});
  BOOST_TEST(made.status == 200);
  const std::string id(Json(made.body)["route"]["id"].text_or(""));
  BOOST_TEST(mailgun_form("POST", "/v3/routes",
                          {{"priority", "1"},
                           {"expression", "catch_all()"},
                           {"action", "forward(\"" + hook.url("/all/mime") + "\")"}})
                 .status == 200);
  BOOST_TEST(mail.webhook_of("support+c-1@acme.example") == hook.url("/mail"));
  BOOST_TEST(mail.webhook_of("sales@acme.example") == hook.url("/all/mime"));
  BOOST_TEST(mail.webhook_of("support@other.example").empty());
  mail.write("support+c-1@acme.example", "yulia", "Привет", "Где заказ?\n");
  const auto parsed = hook.posts(1).at(0);
  BOOST_TEST(parsed.target == "/mail");
  BOOST_TEST(field(parsed, "recipient") == "support+c-1@acme.example");
  BOOST_TEST(field(parsed, "sender") == "yulia@customer.example");
  BOOST_TEST(field(parsed, "subject") == "Привет");
  BOOST_TEST(field(parsed, "body-plain").rfind("Где заказ?", 0) == 0u);
  const std::string token = field(parsed, "token");
  BOOST_TEST(token.size() == 50u);
  BOOST_TEST(field(parsed, "signature") ==
             sdk::hex(sdk::hmac_sha256("mgsigningkey", field(parsed, "timestamp") + token)));
  mail.write("sales@acme.example", "ana", "Hi", "there");
  const auto mime = hook.posts(2).at(1);
  BOOST_TEST(mime.target == "/all/mime");
  BOOST_TEST(read_mail(field(mime, "body-mime")).text.rfind("there", 0) == 0u);
  BOOST_TEST(
      mail.act(R"({"to":"support@acme.example","text":"see","files":["image/png"]})").has_value());
  const auto parts = parts_of(hook.posts(3).at(2));
  BOOST_TEST(parts.at("attachment-count") == "1");
  BOOST_TEST(parts.at("attachment-1").substr(0, 4) == "\x89PNG");
  BOOST_TEST(mailgun_form("DELETE", "/v3/routes/" + id, {}).status == 200);
  BOOST_TEST(mail.webhook_of("support@acme.example") == hook.url("/all/mime"));
}

// The worked example of the signature.
BOOST_AUTO_TEST_CASE(mailguns_triple_is_the_documented_one) {
  BOOST_TEST(sdk::hex(sdk::hmac_sha256("mgsigningkey-0123456789abcdef",
                                       "1795165200"
                                       "3b9f1d7c2a6e48509f0c1d2e3a4b5c6d7e8f90a1b2c3d4e5f6")) ==
             "8d96e401a8624ec4e2968b3a2fc62a8d528ed4e7ee79276f10673155b49a2b05");
}

// 406 ends it; anything but 200 is tried six times more, each with a signature of its own.
BOOST_AUTO_TEST_CASE(mailgun_retries_until_taken_or_rejected) {
  mail.add_mailgun({.api_key = "key-1", .signing_key = "k", .domain = "acme.example"});
  mailgun_form("POST", "/v3/routes",
               {{"expression", "catch_all()"}, {"action", "forward(\"" + hook.url() + "\")"}});
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 406}; });
  mail.write(kAddress, "ana", "a", "b");
  BOOST_TEST(mail.wait_idle(20s));
  BOOST_TEST(mail.deliveries().size() == 1u);
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 503}; });
  mail.write(kAddress, "ana", "a", "b");
  BOOST_TEST(mail.wait_idle(20s));
  BOOST_TEST(mail.deliveries().size() == 8u);
  BOOST_TEST(mail.delivery_stats().expired == 2);
  std::set<std::string> tokens;
  for (const Received& request : hook.posts(8)) tokens.insert(field(request, "token"));
  BOOST_TEST(tokens.size() == 8u);
}

BOOST_AUTO_TEST_CASE(postmark_posts_json_with_the_urls_password) {
  mail.add_postmark({.server_token = "pm-token", .address = kAddress});
  const auto refused = postmark->call("GET", "/server", {{"X-Postmark-Server-Token", "no"}});
  BOOST_TEST(refused.status == 401);
  BOOST_TEST(Json(refused.body)["ErrorCode"].integer().value() == 10);
  std::string url = hook.url();
  url.insert(7, "user:p%40ss@");
  const auto server = postmark_json(
      "PUT", "/server", R"({"InboundHookUrl":")" + url + R"(","RawEmailEnabled":true})");
  BOOST_TEST(server.status == 200);
  BOOST_TEST(mail.act(R"({"to":"support+c-1@acme.example","from":"sakura","subject":"配送",)"
                      R"("text":"いつ？","files":["image/png"],"html":"<p>いつ？</p>"})")
                 .has_value());
  const auto seen = hook.posts(1).at(0);
  BOOST_TEST(seen.header("authorization") == "Basic " + sdk::base64("user:p@ss"));
  const Json body(seen.body);
  BOOST_TEST(body["FromFull"]["Email"].text_or("") == "sakura@customer.example");
  BOOST_TEST(body["MailboxHash"].text_or("") == "c-1");
  BOOST_TEST(body["OriginalRecipient"].text_or("") == "support+c-1@acme.example");
  BOOST_TEST(body["Subject"].text_or("") == "配送");
  BOOST_TEST(body["Attachments"].at(0)["ContentLength"].integer().value() == 2'000);
  BOOST_TEST(body["RawEmail"].text_or("").find("Message-ID:") != std::string::npos);
  BOOST_TEST(!body["RecordType"].exists());
  // 403 ends the retries.
  hook.set_handler([](const Received&) { return HttpAnswer{.status = 403}; });
  mail.write(kAddress, "ana", "a", "b");
  BOOST_TEST(mail.wait_idle(20s));
  BOOST_TEST(mail.deliveries().size() == 2u);
}

BOOST_AUTO_TEST_CASE(postmark_sends_and_tells_of_bounces) {
  mail.add_postmark({.server_token = "pm-token", .address = kAddress});
  BOOST_TEST(
      postmark_json("POST", "/webhooks",
                    R"({"Url":")" + hook.url() +
                        R"(","HttpAuth":{"Username":"u","Password":"p"},)"
                        R"("Triggers":{"Bounce":{"Enabled":true},"Delivery":{"Enabled":true}}})")
          .status == 200);
  const auto send = [&](const std::string& members) {
    return postmark_json("POST", "/email", R"({"From":"support@acme.example",)" + members + "}");
  };
  const auto kept = send(R"("To":"ana@customer.example","Subject":"Re: x","TextBody":"Hi",)"
                         R"("Headers":[{"Name":"Message-ID","Value":"<gw.1@acme.example>"},)"
                         R"({"Name":"X-PM-KeepID","Value":"true"}])");
  BOOST_TEST(kept.status == 200);
  BOOST_TEST(Json(kept.body)["ErrorCode"].integer().value() == 0);
  BOOST_TEST(mail.mails().at(0).view.header("Message-ID") == "<gw.1@acme.example>");
  const Json delivery(hook.posts(1).at(0).body);
  BOOST_TEST(delivery["RecordType"].text_or("") == "Delivery");
  BOOST_TEST(delivery["MessageID"].text_or("") == Json(kept.body)["MessageID"].text_or("x"));
  send(R"("To":"ana@customer.example","Subject":"y","TextBody":"Hi",)"
       R"("Headers":[{"Name":"Message-ID","Value":"<gw.2@acme.example>"}])");
  BOOST_TEST(mail.mails().at(1).view.header("Message-ID").find("mtasv.net") != std::string::npos);
  BOOST_TEST(send(R"("To":"nobody","TextBody":"x")").status == 422);
  BOOST_TEST(send(R"("To":"ana@customer.example")").status == 422);
  mail.set_rule("gone@customer.example", {.recipient_reply = "550 5.1.1 unknown"});
  const auto inactive = send(R"("To":"gone@customer.example","TextBody":"x")");
  BOOST_TEST(Json(inactive.body)["ErrorCode"].integer().value() == 406);
}

BOOST_AUTO_TEST_CASE(sendgrid_signs_by_a_policys_key) {
  mail.add_sendgrid({.api_key = "SG.key"});
  const auto policy = sendgrid_json("POST", "/v3/user/webhooks/security/policies",
                                    R"({"name":"gw","signature":{"enabled":true}})");
  BOOST_TEST(policy.status == 201);
  const Json made(policy.body);
  const std::string id(made["policy"]["id"].text_or(""));
  const std::string key =
      sdk::from_base64(made["policy"]["signature"]["public_key"].text_or("")).value();
  BOOST_TEST(sendgrid_json("POST", "/v3/user/webhooks/parse/settings",
                           R"({"hostname":"acme.example","url":")" + hook.url() + R"("})")
                 .status == 201);
  BOOST_TEST(sendgrid_json("PATCH", "/v3/user/webhooks/parse/settings/acme.example",
                           R"({"security_policy":"nope"})")
                 .status == 400);
  BOOST_TEST(sendgrid_json("PATCH", "/v3/user/webhooks/parse/settings/acme.example",
                           R"({"security_policy":")" + id + R"("})")
                 .status == 200);
  const auto is_signed = [&](const Received& request) {
    return sdk::is_signed_ecdsa(
        key, request.header("x-twilio-email-event-webhook-timestamp") + request.body,
        sdk::from_base64(request.header("x-twilio-email-event-webhook-signature")).value_or(""));
  };
  BOOST_TEST(
      mail.act(R"({"to":"support@acme.example","text":"Hola","files":["image/png"]})").has_value());
  auto seen = hook.posts(1).at(0);
  BOOST_TEST(is_signed(seen));
  auto parts = parts_of(seen);
  BOOST_TEST(parts.at("text").rfind("Hola", 0) == 0u);
  BOOST_TEST(Json(parts.at("envelope"))["to"].at(0).text_or("") == kAddress);
  BOOST_TEST(Json(parts.at("attachment-info"))["attachment1"]["type"].text_or("") == "image/png");
  BOOST_TEST(parts.at("attachment1").size() == 2'000u);
  sendgrid_json("PATCH", "/v3/user/webhooks/parse/settings/acme.example", R"({"send_raw":true})");
  mail.write(kAddress, "ana", "raw", "bytes");
  parts = parts_of(hook.posts(2).at(1));
  BOOST_TEST(parts.count("headers") == 0u);
  BOOST_TEST(read_mail(parts.at("email")).header("Subject") == "raw");
  mail.inject(DeliveryFault{DeliveryFault::Kind::wrong_secret, 1, 2});
  mail.write(kAddress, "ana", "wrong", "x");
  BOOST_TEST(!is_signed(hook.posts(3).at(2)));
  // 4xx is the end, 5xx is not.
  int count = 0;
  hook.set_handler([&](const Received&) { return HttpAnswer{.status = ++count < 3 ? 503 : 400}; });
  mail.write(kAddress, "ana", "x", "y");
  BOOST_TEST(mail.wait_idle(20s));
  BOOST_TEST(mail.deliveries().size() == 6u);
}

BOOST_AUTO_TEST_CASE(sendgrid_takes_mail_and_refuses_its_own_headers) {
  mail.add_sendgrid({.api_key = "SG.key"});
  const auto send = [&](const std::string& more) {
    return sendgrid_json("POST", "/v3/mail/send",
                         R"({"personalizations":[{"to":[{"email":"ana@customer.example"}]}],)"
                         R"("from":{"email":"support@acme.example","name":"Acme"},)"
                         R"("subject":"Hi","content":[{"type":"text/plain","value":"Hola"}])" +
                             more + "}");
  };
  const auto taken =
      send(R"(,"headers":{"Message-ID":"<gw.1@acme.example>","In-Reply-To":"<a@b>"})");
  BOOST_TEST(taken.status == 202);
  BOOST_TEST(!taken.header("x-message-id").empty());
  const auto mails = mail.mails();
  BOOST_REQUIRE(mails.size() == 1u);
  BOOST_TEST(mails[0].view.header("Message-ID") == "<gw.1@acme.example>");
  BOOST_TEST(mails[0].view.header("In-Reply-To") == "<a@b>");
  BOOST_TEST(mails[0].problems.empty());
  BOOST_TEST(send(R"(,"headers":{"Subject":"x"})").status == 400);
  BOOST_TEST(sendgrid_json("POST", "/v3/mail/send", "{}").status == 400);
}

// Subscription, confirmation by the link, and notifications, all signed by the key of the
// certificate the platform serves.
BOOST_AUTO_TEST_CASE(sns_confirms_and_notifies_with_its_certificate) {
  mail.add_ses(
      {.access_key = "AKID", .secret_key = "secret", .topic_arn = kTopic, .address = kAddress});
  const std::string subscribe =
      "Action=Subscribe&Version=2010-03-31&Protocol=https&Endpoint=" + sdk::url_encode(hook.url()) +
      "&TopicArn=" + sdk::url_encode(kTopic);
  BOOST_TEST(aws("POST", "/", "sns", subscribe, "wrong").status == 403);
  const auto pending = aws("POST", "/", "sns", subscribe);
  BOOST_TEST(pending.status == 200);
  BOOST_TEST(pending.body.find("pending confirmation") != std::string::npos);
  const auto first = hook.posts(1).at(0);
  BOOST_TEST(first.header("x-amz-sns-message-type") == "SubscriptionConfirmation");
  BOOST_TEST(first.header("content-type") == "text/plain; charset=UTF-8");
  const std::string host = "https://sns.us-east-1.amazonaws.com";
  const auto is_signed = [&](const Json& body, const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) {
      if (body[name].exists()) text += name + "\n" + std::string(body[name].text_or("")) + "\n";
    }
    const std::string url(body["SigningCertURL"].text_or(""));
    const auto certificate = amazon->call("GET", url.substr(host.size()));
    return certificate.status == 200 &&
           sdk::is_signed_by_certificate(
               certificate.body, sdk::RsaDigest::sha256, text,
               sdk::from_base64(body["Signature"].text_or("")).value_or(""));
  };
  const Json confirmation(first.body);
  BOOST_TEST(is_signed(confirmation, {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token",
                                      "TopicArn", "Type"}));
  mail.write(kAddress, "ana", "too early", "x");
  const std::string link(confirmation["SubscribeURL"].text_or(""));
  BOOST_REQUIRE(link.rfind(host, 0) == 0u);
  BOOST_TEST(amazon->call("GET", link.substr(host.size())).status == 200);
  BOOST_TEST(amazon->call("GET", link.substr(host.size())).status == 400);
  BOOST_TEST(mail.webhook_of(kAddress) == hook.url());
  const std::string id = mail.write(kAddress, "ana", "Order", "Where?");
  const Json notification(hook.posts(2).at(1).body);
  BOOST_TEST(is_signed(notification,
                       {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}));
  const Json message(std::string(notification["Message"].text_or("")));
  BOOST_TEST(message["notificationType"].text_or("") == "Received");
  const MailView view = read_mail(sdk::from_base64(message["content"].text_or("")).value_or(""));
  BOOST_TEST(view.header("Message-ID") == id);
  mail.inject(DeliveryFault{DeliveryFault::Kind::altered_body, 1, 2});
  mail.write(kAddress, "ana", "Order", "Where?");
  const Json altered(hook.posts(3).at(2).body);
  BOOST_TEST(
      !is_signed(altered, {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}));
}

BOOST_AUTO_TEST_CASE(mails_of_a_rule_with_a_bucket_are_stored_and_given_under_a_signature) {
  mail.add_ses({.access_key = "AKID",
                .secret_key = "secret",
                .topic_arn = kTopic,
                .address = kAddress,
                .object_prefix = "in/"});
  aws("POST", "/", "sns",
      "Action=Subscribe&Version=2010-03-31&Protocol=https&Endpoint=" + sdk::url_encode(hook.url()) +
          "&TopicArn=" + sdk::url_encode(kTopic));
  const std::string link(Json(hook.posts(1).at(0).body)["SubscribeURL"].text_or(""));
  amazon->call("GET", link.substr(link.find('/', 8)));
  const std::string id = mail.write(kAddress, "ana", "Order", "Where?");
  const Json notification(hook.posts(2).at(1).body);
  const Json message(std::string(notification["Message"].text_or("")));
  BOOST_TEST(!message["content"].exists());
  const std::string key(message["receipt"]["action"]["objectKey"].text_or(""));
  BOOST_TEST(message["receipt"]["action"]["type"].text_or("") == "S3");
  BOOST_TEST(message["receipt"]["action"]["bucketName"].text_or("") == "simulated-mail");
  BOOST_REQUIRE(key.starts_with("in/"));
  const auto object = s3_get("/" + key, "");
  BOOST_TEST(object.status == 200);
  BOOST_TEST(read_mail(object.body).header("Message-ID") == id);
  BOOST_TEST(s3_get("/in/other", "").body.find("<Code>NoSuchKey</Code>") != std::string::npos);
  BOOST_TEST(s3_get("/" + key, "", "wrong").status == 403);
  BOOST_TEST(s3_get("/" + key, "", "secret", sdk::hex(sdk::sha256("x"))).status == 400);
  HttpClient bucket(mail.port("s3.amazonaws.com"));
  BOOST_TEST(bucket.call("GET", "/" + key).body.find("AccessDenied") != std::string::npos);
  const auto list = s3_get("/", "list-type=2&prefix=in%2F");
  BOOST_TEST(list.body.find("<Key>" + key + "</Key>") != std::string::npos, list.body);
  BOOST_TEST(s3_get("/", "list-type=2&prefix=out%2F").body.find("<Key>") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(ses_takes_raw_mail_under_a_signature) {
  mail.add_ses(
      {.access_key = "AKID", .secret_key = "secret", .topic_arn = kTopic, .address = kAddress});
  const std::string body =
      R"({"FromEmailAddress":"support@acme.example","Destination":)"
      R"({"ToAddresses":["ana@customer.example"]},"Content":{"Raw":{"Data":")" +
      sdk::base64(our_mail("ana@customer.example")) + R"("}}})";
  const auto taken = aws("POST", "/v2/email/outbound-emails", "ses", body);
  BOOST_TEST(taken.status == 200);
  BOOST_TEST(mail.mails().at(0).id == Json(taken.body)["MessageId"].text_or("x"));
  const auto refused = aws("POST", "/v2/email/outbound-emails", "ses", body, "wrong");
  BOOST_TEST(refused.status == 403);
  BOOST_TEST(refused.header("x-amzn-errortype") == "SignatureDoesNotMatchException");
  BOOST_TEST(aws("POST", "/v2/email/outbound-emails", "sns", body).status == 403);
}

// "get-vanilla" of the AWS Signature Version 4 test suite.
BOOST_AUTO_TEST_CASE(the_signature_is_that_of_the_published_suite) {
  gateway::simulate::HttpRequest request;
  request.method = "GET";
  request.path = "/";
  request.headers = {
      {"x-amz-date", "20150830T123600Z"},
      {"authorization",
       "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
       "SignedHeaders=host;x-amz-date, "
       "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"}};
  const auto host = [](const AwsCaller&) { return std::string("example.amazonaws.com"); };
  const auto secret = [](const std::string& key) {
    return key == "AKIDEXAMPLE"
               ? std::optional<std::string>("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
               : std::nullopt;
  };
  BOOST_TEST(verify_aws_signature(request, host, secret).has_value());
  request.path = "/other";
  BOOST_TEST(verify_aws_signature(request, host, secret).error().message ==
             "SignatureDoesNotMatch");
  request.headers.pop_back();
  BOOST_TEST(verify_aws_signature(request, host, secret).error().message ==
             "MissingAuthenticationToken");
}

BOOST_AUTO_TEST_CASE(mail_is_submitted_and_answered) {
  mail.add_raw({.address = kAddress, .url = hook.url()});
  const auto [code, reply] =
      submit(mail.smtp_port(), "ana@customer.example", our_mail("ana@customer.example"));
  BOOST_TEST(code == CURLE_OK);
  BOOST_TEST(reply == 250);
  const auto mails = mail.mails();
  BOOST_REQUIRE(mails.size() == 1u);
  BOOST_TEST(mails[0].envelope.from == kAddress);
  BOOST_TEST(mails[0].view.text.rfind("It is on its way.", 0) == 0u);
  BOOST_TEST(mails[0].problems.empty());
  BOOST_TEST(mail.sent(kAddress, "ana@customer.example").size() == 1u);
  mail.reply(mails[0].number, "ana", "Thank you!");
  const MailView answer = read_mail(hook.posts(1).at(0).body);
  BOOST_TEST(answer.header("In-Reply-To") == "<gw.c1.m1@acme.example>");
  BOOST_TEST(answer.header("To") == "support+c-1@acme.example");
  BOOST_TEST(answer.text.find("> It is on its way.") != std::string::npos);
  mail.bounce(mails[0].number);
  const Received bounce = hook.posts(2).at(1);
  BOOST_TEST(bounce.body.find("Final-Recipient: rfc822; ana@customer.example") !=
             std::string::npos);
  BOOST_TEST(bounce.body.find("<gw.c1.m1@acme.example>") != std::string::npos);
  BOOST_TEST(bounce.target == "/hook?rcpt=support%40acme.example&sender=");  // from nobody
}

BOOST_AUTO_TEST_CASE(submission_goes_wrong_by_recipient) {
  mail.set_rule("gone@customer.example", {.recipient_reply = "550 5.1.1 User unknown"});
  mail.set_rule("full@customer.example", {.data_reply = "451 4.3.0 Try again", .count = 1});
  mail.set_rule("lost@customer.example", {.drops_after_dot = true, .count = 1});
  BOOST_TEST(submit(mail.smtp_port(), "gone@customer.example", our_mail("gone@x")).second == 550);
  BOOST_TEST(submit(mail.smtp_port(), "full@customer.example", our_mail("full@x")).second == 451);
  BOOST_TEST(submit(mail.smtp_port(), "full@customer.example", our_mail("full@x")).second == 250);
  BOOST_TEST(mail.mails().size() == 1u);
  BOOST_TEST(submit(mail.smtp_port(), "lost@customer.example", our_mail("lost@x")).first !=
             CURLE_OK);
  BOOST_TEST(mail.mails().size() == 2u);  // it was taken all the same
}

BOOST_AUTO_TEST_CASE(the_mail_server_speaks_tls_and_asks_who_sends) {
  MailOptions chosen = options();
  chosen.tls = MailTls::starttls;
  chosen.demands_login = true;
  MailSimulator secure(chosen);
  BOOST_REQUIRE(secure.start());
  secure.add_smtp_user("user", "pass");
  const std::string text = our_mail("ana@customer.example");
  const std::string to = "ana@customer.example";
  BOOST_TEST(submit(secure.smtp_port(), to, text, "", secure.certificate_pem()).second == 530);
  BOOST_TEST(submit(secure.smtp_port(), to, text, "other", secure.certificate_pem()).first ==
             CURLE_LOGIN_DENIED);
  BOOST_TEST(submit(secure.smtp_port(), to, text, "user", secure.certificate_pem()).second == 250);
  BOOST_REQUIRE(secure.mails().size() == 1u);
  BOOST_TEST(secure.mails()[0].envelope.tls);
  BOOST_TEST(secure.mails()[0].envelope.user == "user");
  secure.stop();
}

BOOST_AUTO_TEST_CASE(a_mailbox_is_read_over_imap) {
  mail.add_imap({.address = kAddress, .user = "box", .password = "pass"});
  const std::string id = mail.write("support+c-1@acme.example", "ana", "Order", "Where?");
  Curl curl;
  std::string body;
  const auto take = +[](char* data, std::size_t, std::size_t size, void* to) -> std::size_t {
    static_cast<std::string*>(to)->append(data, size);
    return size;
  };
  const std::string base = "imap://127.0.0.1:" + std::to_string(mail.imap_port());
  const auto ask = [&](const std::string& path, const char* command) {
    body.clear();
    curl_easy_setopt(curl.easy, CURLOPT_URL, (base + path).c_str());
    curl_easy_setopt(curl.easy, CURLOPT_USERNAME, "box");
    curl_easy_setopt(curl.easy, CURLOPT_PASSWORD, "pass");
    curl_easy_setopt(curl.easy, CURLOPT_CUSTOMREQUEST, command);
    curl_easy_setopt(curl.easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl.easy, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl.easy, CURLOPT_TIMEOUT, 20L);
    return curl_easy_perform(curl.easy);
  };
  BOOST_TEST(ask("/", "EXAMINE INBOX") == CURLE_OK);
  BOOST_TEST(body.find("[UIDNEXT 2]") != std::string::npos);
  BOOST_TEST(ask("/INBOX", "UID SEARCH UID 1:5000") == CURLE_OK);
  BOOST_TEST(body == "* SEARCH 1\r\n");
  BOOST_TEST(ask("/INBOX;UIDVALIDITY=77/;UID=1", nullptr) == CURLE_OK);
  const MailView view = read_mail(body);
  BOOST_TEST(view.header("Message-ID") == id);
  BOOST_TEST(view.header("Delivered-To") == "support+c-1@acme.example");
  mail.imap().change_uid_validity("box", 99);
  // An open connection remembers what it has selected.
  curl_easy_setopt(curl.easy, CURLOPT_FRESH_CONNECT, 1L);
  BOOST_TEST(ask("/INBOX;UIDVALIDITY=77/;UID=1", nullptr) == CURLE_REMOTE_FILE_NOT_FOUND);
  // Down ends dialogs that are open, and lets none begin.
  curl_easy_setopt(curl.easy, CURLOPT_FRESH_CONNECT, 0L);
  mail.set_down(true);
  for (int i = 0; i < 2; ++i) BOOST_TEST(ask("/", "EXAMINE INBOX") != CURLE_OK);
  mail.clear_faults();
  BOOST_TEST(ask("/", "EXAMINE INBOX") == CURLE_OK);
}

BOOST_AUTO_TEST_CASE(a_mail_server_that_is_down_takes_nothing) {
  const std::string to = "ana@customer.example";
  const std::string text = "From: support@acme.example\r\nTo: ana@customer.example\r\n\r\nHi\r\n";
  mail.set_down(true);
  BOOST_TEST(submit(mail.smtp_port(), to, text).first != CURLE_OK);
  BOOST_TEST(mail.mails().empty());
  mail.clear_faults();
  BOOST_TEST(submit(mail.smtp_port(), to, text).second == 250);
  BOOST_TEST(mail.mails().size() == 1u);
}

BOOST_AUTO_TEST_CASE(mail_goes_wrong_on_demand) {
  mail.add_sendgrid({.api_key = "SG.key"});
  CallFault fault;
  fault.kind = CallFault::Kind::too_many_requests;
  fault.retry_after = 60;
  mail.inject(fault);
  const auto limited = sendgrid_json("POST", "/v3/mail/send", "{}");
  BOOST_TEST(limited.status == 429);
  BOOST_TEST(!limited.header("x-ratelimit-reset").empty());
  mail.inject(fault);
  mail.add_mailgun({.api_key = "key-1", .signing_key = "k", .domain = "acme.example"});
  BOOST_TEST(mailgun_form("GET", "/v3/routes", {}).status == 429);
  BOOST_TEST(mailgun->call("POST", "/_simulate/mail/faults", {}, R"({"kind":"down"})").status ==
             200);
  BOOST_CHECK_THROW(HttpClient(mail.port("api.postmarkapp.com")).call("GET", "/server"),
                    HttpClient::Error);
  BOOST_TEST(mailgun->call("DELETE", "/_simulate/mail/faults").status == 200);
  BOOST_TEST(mailgun_form("GET", "/v3/routes", {}).status == 200);
}

BOOST_AUTO_TEST_CASE(upstreams_name_every_host_that_is_simulated) {
  std::set<std::string> origins;
  for (const auto& [from, to] : mail.upstreams()) {
    origins.insert(from);
    BOOST_TEST(to.find("127.0.0.1:") != std::string::npos);
  }
  for (const char* origin :
       {"https://api.mailgun.net", "https://api.postmarkapp.com", "https://api.sendgrid.com",
        "https://sns.us-east-1.amazonaws.com", "https://email.us-east-1.amazonaws.com",
        "https://simulated-mail.s3.us-east-1.amazonaws.com", "smtp://mail.simulated.example:587",
        "imap://mail.simulated.example:143"}) {
    BOOST_TEST(origins.count(origin) == 1u, origin);
  }
}

BOOST_AUTO_TEST_SUITE_END()
