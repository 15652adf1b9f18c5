#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/aws_signature.h"
#include "gateway/simulate/mail_internal.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/transfers.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::size_t kInlineBytes = 150'000;    // a larger mail bounces where SNS has to carry it
constexpr std::size_t kStoredBytes = 40u << 20;  // or where it is stored
constexpr std::size_t kMaxKeysOfAList = 1'000;

std::string xml_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else {
      safe += c;
    }
  }
  return safe;
}

HttpReply xml(std::string body, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/xml";
  reply.body = std::move(body);
  return reply;
}

HttpReply sns_error(int status, std::string_view code, std::string_view message) {
  return xml(
      "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender"
      "</Type><Code>" +
          std::string(code) + "</Code><Message>" + std::string(message) +
          "</Message></Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId>"
          "</ErrorResponse>",
      status);
}

std::string sns_result(std::string_view action, std::string_view inside) {
  const std::string name(action);
  return "<" + name + "Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><" + name +
         "Result>" + std::string(inside) + "</" + name +
         "Result><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId>"
         "</ResponseMetadata></" +
         name + "Response>";
}

HttpReply ses_error(int status, std::string_view type, std::string_view message) {
  HttpReply reply = mail_json(object({{"message", json_text(message)}}), status);
  reply.headers.emplace_back("x-amzn-ErrorType", std::string(type));
  return reply;
}

// What is signed of an SNS message: the names that are there, in this order.
std::string text_to_sign(const Members& members, bool confirmation) {
  constexpr std::string_view kNotification[] = {"Message",   "MessageId", "Subject",
                                                "Timestamp", "TopicArn",  "Type"};
  constexpr std::string_view kConfirmation[] = {"Message", "MessageId", "SubscribeURL", "Timestamp",
                                                "Token",   "TopicArn",  "Type"};
  std::string out;
  const auto add = [&](std::string_view name) {
    for (const auto& [key, json] : members) {
      if (key != name) continue;
      const auto value = Document::parse(json);
      out += std::string(name) + "\n" + std::string(value->root().text_or("")) + "\n";
    }
  };
  if (confirmation) {
    for (const std::string_view name : kConfirmation) add(name);
  } else {
    for (const std::string_view name : kNotification) add(name);
  }
  return out;
}

}  // namespace

HttpReply s3_error(int status, std::string_view code, std::string_view message) {
  HttpReply reply = xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" +
                            std::string(code) + "</Code><Message>" + xml_text(message) +
                            "</Message><RequestId>0000000000000000</RequestId></Error>",
                        status);
  reply.content_type = "application/xml";
  return reply;
}

// Objects of the one bucket, addressed by its host. docs.aws.amazon.com/AmazonS3/latest/API
// GetObject, ListObjectsV2, ErrorResponses, sig-v4-header-based-auth (read 2026-11-21).
HttpReply MailSimulator::s3(const HttpRequest& request, ApiCall& record) const {
  const auto refused = [&](int status, const std::string& code, std::string_view message) {
    record.description = code;
    return s3_error(status, code, message);
  };
  const auto caller = verify_aws_signature(
      request,
      [this](const AwsCaller&) { return mail_.bucket + ".s3." + mail_.region + ".amazonaws.com"; },
      [this](const std::string& key) -> std::optional<std::string> {
        const auto at = ses_->keys.find(key);
        return at == ses_->keys.end() ? std::nullopt : std::optional(at->second);
      });
  if (!caller) {
    const std::string& why = caller.error().message;
    if (why == "MissingAuthenticationToken") return refused(403, "AccessDenied", "Access Denied");
    if (why == "IncompleteSignature") {
      return refused(400, "AuthorizationHeaderMalformed", "The authorization header is malformed");
    }
    if (why == "InvalidClientTokenId") {
      return refused(403, "InvalidAccessKeyId",
                     "The AWS Access Key Id you provided does not exist in our records.");
    }
    return refused(
        403, "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.");
  }
  if (caller->service != "s3" || caller->region != mail_.region) {
    return refused(400, "AuthorizationHeaderMalformed", "The authorization header is malformed");
  }
  // S3 demands the body's digest as a header, and signed.
  const std::string_view digest = header(request.headers, "x-amz-content-sha256");
  const std::string_view authorization = header(request.headers, "authorization");
  if (digest.empty() || authorization.find("x-amz-content-sha256") == std::string_view::npos) {
    return refused(400, "InvalidRequest", "Missing required header: x-amz-content-sha256");
  }
  if (digest != sdk::hex(sdk::sha256(request.body))) {
    return refused(400, "XAmzContentSHA256Mismatch",
                   "The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  if (request.method != "GET") {
    return refused(405, "MethodNotAllowed",
                   "The specified method is not allowed against this resource.");
  }
  if (request.path == "/" || request.path.empty()) return s3_list(request);
  const auto key = sdk::percent_decode(std::string_view(request.path).substr(1));
  const auto found = key ? ses_->objects.find(*key) : ses_->objects.end();
  if (found == ses_->objects.end()) {
    return refused(404, "NoSuchKey", "The specified key does not exist.");
  }
  HttpReply reply;
  reply.content_type = "binary/octet-stream";
  reply.body = found->second.bytes;
  return reply;
}

HttpReply MailSimulator::s3_list(const HttpRequest& request) const {
  const auto params = parse_params(request.query, "", "");
  if (!params || params->text("list-type") != "2") {
    return s3_error(501, "NotImplemented", "Only the second version of lists is simulated");
  }
  const std::string prefix(params->text("prefix"));
  // The last key of the page before.
  const auto behind = sdk::from_base64(params->text("continuation-token"));
  if (!behind) return s3_error(400, "InvalidArgument", "The continuation token is incorrect");
  std::string contents;
  std::string last;
  std::size_t count = 0;
  bool truncated = false;
  for (const auto& [key, one] : ses_->objects) {
    if (!key.starts_with(prefix) || (!behind->empty() && key <= *behind)) continue;
    truncated = count == kMaxKeysOfAList;
    if (truncated) break;
    ++count;
    last = key;
    contents += "<Contents><Key>" + xml_text(key) + "</Key><LastModified>" +
                iso_ms(one.modified_ms) + "</LastModified><ETag>&quot;" +
                sdk::hex(sdk::sha256(one.bytes)).substr(0, 32) + "&quot;</ETag><Size>" +
                std::to_string(one.bytes.size()) +
                "</Size><StorageClass>STANDARD</StorageClass>"
                "</Contents>";
  }
  HttpReply reply =
      xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
          "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>" +
          mail_.bucket + "</Name><Prefix>" + xml_text(prefix) + "</Prefix><KeyCount>" +
          std::to_string(count) + "</KeyCount><MaxKeys>" + std::to_string(kMaxKeysOfAList) +
          "</MaxKeys><IsTruncated>" + (truncated ? "true" : "false") + "</IsTruncated>" +
          (truncated ? "<NextContinuationToken>" + sdk::base64(last) + "</NextContinuationToken>"
                     : std::string()) +
          contents + "</ListBucketResult>");
  reply.content_type = "application/xml";
  return reply;
}

MailSimulator::Answer MailSimulator::ses(const HttpRequest& request, ApiCall& record) {
  if (request.method == "GET" && request.path == ses_->certificate_path) {
    HttpReply reply;
    reply.content_type = "application/x-pem-file";
    reply.body = ses_->certificate;
    return reply;
  }
  const bool api = request.path.rfind("/v2/email", 0) == 0;
  const auto params = api ? Result<Params>(Params())
                          : parse_params(request.query, request.content_type, request.body);
  if (!params) return sns_error(400, "InvalidParameter", "The request cannot be read");
  // The link in a confirmation needs nobody's key.
  if (request.method == "GET" && params->text("Action") == "ConfirmSubscription") {
    return sns(*params, record);
  }
  const auto caller = verify_aws_signature(
      request,
      [this](const AwsCaller& who) {
        return (who.service == "ses" ? "email." : "sns.") + mail_.region + ".amazonaws.com";
      },
      [this](const std::string& key) -> std::optional<std::string> {
        const auto at = ses_->keys.find(key);
        return at == ses_->keys.end() ? std::nullopt : std::optional(at->second);
      });
  if (!caller || caller->region != mail_.region || caller->service != (api ? "ses" : "sns")) {
    const std::string code = caller ? "SignatureDoesNotMatch" : caller.error().message;
    record.description = code;
    return api ? ses_error(403, code + "Exception", "The request signature does not match.")
               : sns_error(403, code, "The request signature does not match.");
  }
  if (!api) return sns(*params, record);
  if (request.path == "/v2/email/account" && request.method == "GET") {
    return mail_json(object(
        {{"SendingEnabled", "true"},
         {"ProductionAccessEnabled", "true"},
         {"SendQuota",
          object({{"Max24HourSend", "50000"}, {"MaxSendRate", "14"}, {"SentLast24Hours", "1"}})}}));
  }
  if (request.path != "/v2/email/outbound-emails" || request.method != "POST") {
    return ses_error(404, "NotFoundException", "No such operation");
  }
  const auto document = Document::parse(request.body, {.bytes = 60u << 20});
  if (!document) return ses_error(400, "BadRequestException", "The body is no JSON");
  const Value wish = document->root();
  SentMail mail;
  mail.by = "ses";
  mail.id = "0100" + mint_hex(12) + "-" + mint_hex(8) + "-" + mint_hex(4) + "-000000";
  mail.envelope.from = address_of(wish["FromEmailAddress"].text_or(""));
  for (const char* name : {"ToAddresses", "CcAddresses", "BccAddresses"}) {
    for (const Value to : wish["Destination"][name].elements()) {
      mail.envelope.to.push_back(address_of(to.text_or("")));
    }
  }
  if (const auto raw = wish["Content"]["Raw"]["Data"].text()) {
    const auto bytes = sdk::from_base64(*raw);
    if (!bytes) return ses_error(400, "BadRequestException", "Raw.Data is not base64");
    mail.bytes = *bytes;
    const MailView view = read_mail(mail.bytes);
    if (mail.envelope.from.empty()) mail.envelope.from = address_of(view.header("From"));
    if (mail.envelope.to.empty() && view.count("To") != 0) {
      mail.envelope.to.push_back(address_of(view.header("To")));
    }
  } else {
    Draft draft;
    std::tie(draft.from_name, draft.from) = mailbox_of(wish["FromEmailAddress"].text_or(""));
    draft.to = mail.envelope.to.empty() ? "" : mail.envelope.to.front();
    const Value simple = wish["Content"]["Simple"];
    draft.subject = simple["Subject"]["Data"].text_or("");
    draft.text = simple["Body"]["Text"]["Data"].text_or("");
    draft.html = simple["Body"]["Html"]["Data"].text_or("");
    draft.message_id = "<" + mail.id + "@" + mail_.region + ".amazonses.com>";
    draft.date_ms = clock_.now_ms();
    if (draft.subject.empty() || (draft.text.empty() && draft.html.empty())) {
      return ses_error(400, "BadRequestException", "Missing required content");
    }
    mail.bytes = write_mail(draft);
  }
  if (domain_of(mail.envelope.from).empty() || mail.envelope.to.empty()) {
    return ses_error(400, "BadRequestException", "Missing final '@domain'");
  }
  const std::string id = mail.id;
  keep(std::move(mail));
  return mail_json(object({{"MessageId", json_text(id)}}));
}

// The query API of SNS.
HttpReply MailSimulator::sns(const Params& params, ApiCall& record) {
  const std::string action(params.text("Action"));
  const std::string arn(params.text("TopicArn"));
  record.account = arn;
  if (action == "Unsubscribe" || action == "SetSubscriptionAttributes") {
    const std::string subscription(params.text("SubscriptionArn"));
    for (auto& [topic_arn, topic] : ses_->topics) {
      if (topic.endpoints.count(subscription) == 0) continue;
      if (action == "Unsubscribe") {
        topic.endpoints.erase(subscription);
        changed_.notify_all();
      } else {
        topic.attributes[std::string(params.text("AttributeName"))] = params.text("AttributeValue");
      }
      return xml(sns_result(action, ""));
    }
    return sns_error(404, "NotFound", "Subscription does not exist");
  }
  const auto at = ses_->topics.find(arn);
  if (at == ses_->topics.end()) return sns_error(404, "NotFound", "Topic does not exist");
  Ses::Topic& topic = at->second;
  if (action == "Subscribe") {
    const std::string endpoint(params.text("Endpoint"));
    const std::string protocol(params.text("Protocol"));
    const auto url = parse_web_url(endpoint);
    if (!url || refuse_public_url(without_userinfo(endpoint), mail_.urls)) {
      return sns_error(400, "InvalidParameter", "Invalid parameter: Endpoint");
    }
    // A loopback endpoint may be plain; the protocol then names what is meant.
    if (protocol != "https" && protocol != "http") {
      return sns_error(400, "InvalidParameter", "Invalid parameter: Protocol");
    }
    for (const auto& [subscription, known] : topic.endpoints) {
      if (known != endpoint) continue;
      return xml(sns_result(action, "<SubscriptionArn>" + subscription + "</SubscriptionArn>"));
    }
    const std::string token = mint_hex(64);
    topic.pending[token] = endpoint;
    sns_post(arn, "SubscriptionConfirmation", endpoint, {},
             "You have chosen to subscribe to the topic " + arn +
                 ".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
             token);
    return xml(sns_result(action, "<SubscriptionArn>pending confirmation</SubscriptionArn>"));
  }
  if (action == "ConfirmSubscription") {
    const auto pending = topic.pending.find(std::string(params.text("Token")));
    if (pending == topic.pending.end()) {
      return sns_error(400, "InvalidParameter", "Invalid token");
    }
    const std::string subscription = arn + ":" + mint_uuid();
    topic.endpoints[subscription] = pending->second;
    topic.pending.erase(pending);
    changed_.notify_all();
    return xml(sns_result(action, "<SubscriptionArn>" + subscription + "</SubscriptionArn>"));
  }
  if (action == "ListSubscriptionsByTopic") {
    std::string members;
    for (const auto& [subscription, endpoint] : topic.endpoints) {
      members += "<member><SubscriptionArn>" + subscription + "</SubscriptionArn><Endpoint>" +
                 endpoint + "</Endpoint><Protocol>https</Protocol><TopicArn>" + arn +
                 "</TopicArn></member>";
    }
    return xml(sns_result(action, "<Subscriptions>" + members + "</Subscriptions>"));
  }
  if (action == "GetTopicAttributes") {
    return xml(sns_result(action, "<Attributes><entry><key>TopicArn</key><value>" + arn +
                                      "</value></entry></Attributes>"));
  }
  if (action == "SetTopicAttributes") return xml(sns_result(action, ""));
  return sns_error(400, "InvalidAction", "The action is not valid for this endpoint.");
}

// Three more tries 20 seconds apart; 15 seconds to answer; of 4xx only 429 is tried again.
void MailSimulator::sns_post(const std::string& topic_arn, const std::string& type,
                             const std::string& endpoint, std::string subject, std::string message,
                             std::string token) {
  const std::string host = "https://sns." + mail_.region + ".amazonaws.com";
  if (!ses_->key) {
    ses_->key = KeyPair::rsa();
    ses_->certificate = ses_->key->certificate_pem("sns." + mail_.region + ".amazonaws.com");
    ses_->certificate_path = "/SimpleNotificationService-" + mint_hex(32) + ".pem";
  }
  const bool confirmation = type != "Notification";
  Members members{{"Type", json_text(type)}, {"MessageId", json_text(mint_uuid())}};
  if (confirmation) members.emplace_back("Token", json_text(token));
  members.emplace_back("TopicArn", json_text(topic_arn));
  if (!subject.empty()) members.emplace_back("Subject", json_text(subject));
  members.emplace_back("Message", json_text(message));
  if (confirmation) {
    members.emplace_back(
        "SubscribeURL",
        json_text(host + "/?Action=ConfirmSubscription&TopicArn=" + topic_arn + "&Token=" + token));
  }
  members.emplace_back("Timestamp", json_text(iso_ms(clock_.now_ms())));
  members.emplace_back("SignatureVersion", json_text("2"));
  WebhookEvent event;
  event.account = topic_arn;
  event.id = mint_uuid();
  event.kind = type;
  event.request = [members, confirmation, type, topic_arn, endpoint, host, key = *ses_->key,
                   certificate = host + ses_->certificate_path](int, Defect defect) {
    using Kind = DeliveryFault::Kind;
    const std::string text = text_to_sign(members, confirmation);
    HttpCall call;
    call.url = without_userinfo(endpoint);
    call.timeout = std::chrono::milliseconds(15'000);
    call.headers = {{"Content-Type", "text/plain; charset=UTF-8"},
                    {"User-Agent", "Amazon Simple Notification Service Agent"},
                    {"x-amz-sns-message-type", type},
                    {"x-amz-sns-topic-arn", topic_arn}};
    Members signed_members = members;
    if (defect != Kind::no_secret) {
      signed_members.emplace_back(
          "Signature",
          json_text(sdk::base64(key.sign(defect == Kind::wrong_secret ? text + " " : text))));
    }
    signed_members.emplace_back("SigningCertURL", json_text(certificate));
    if (defect == Kind::altered_body) {
      for (auto& [name, json] : signed_members) {
        if (name == "Message") json = json_text("something else");
      }
    }
    call.body = object(signed_members);
    add_basic(call, userinfo_of(endpoint), std::nullopt);
    return call;
  };
  event.retry = retry_after({20'000, 20'000, 20'000}, is_2xx, [](int status) {
    return status >= 300 && status < 500 && status != 429;
  });
  sender_.post(std::move(event));
}

void MailSimulator::ses_arrive(const Arrival& arrival) {
  for (const auto& [arn, topic] : ses_->topics) {
    if (topic.address != plain_address(arrival.to) || topic.endpoints.empty()) continue;
    if (arrival.bytes.size() > (topic.object_prefix ? kStoredBytes : kInlineBytes)) {
      // The sender gets a bounce; nothing reaches the topic.
      sender_.count_unwanted();
      continue;
    }
    const MailView& view = arrival.view;
    std::vector<std::string> headers;
    for (const auto& [name, value] : view.headers) {
      headers.push_back(
          object({{"name", json_text(name)}, {"value", json_text(sdk::sanitize(value))}}));
    }
    const auto verdict = object({{"status", json_text("PASS")}});
    const std::string message_id = mint_hex(40);
    Members action{{"type", json_text(topic.object_prefix ? "S3" : "SNS")},
                   {"topicArn", json_text(arn)}};
    if (topic.object_prefix) {
      const std::string key = *topic.object_prefix + message_id;
      ses_->objects[key] = {arrival.bytes, clock_.now_ms()};
      action.emplace_back("bucketName", json_text(mail_.bucket));
      action.emplace_back("objectKeyPrefix", json_text(*topic.object_prefix));
      action.emplace_back("objectKey", json_text(key));
    } else {
      action.emplace_back("encoding", json_text("BASE64"));
    }
    Members message{
        {"notificationType", json_text("Received")},
        {"mail", object({{"timestamp", json_text(iso_ms(clock_.now_ms()))},
                         {"source", json_text(arrival.from)},
                         {"messageId", json_text(message_id)},
                         {"destination", array({json_text(arrival.to)})},
                         {"headersTruncated", "false"},
                         {"headers", array(headers)},
                         {"commonHeaders",
                          object({{"from", array({json_text(sdk::sanitize(view.header("From")))})},
                                  {"to", array({json_text(sdk::sanitize(view.header("To")))})},
                                  {"messageId", json_text(view.header("Message-ID"))},
                                  {"subject", json_text(sdk::sanitize(
                                                  decode_words(view.header("Subject"))))}})}})},
        {"receipt", object({{"timestamp", json_text(iso_ms(clock_.now_ms()))},
                            {"processingTimeMillis", "422"},
                            {"recipients", array({json_text(arrival.to)})},
                            {"spamVerdict", verdict},
                            {"virusVerdict", verdict},
                            {"spfVerdict", verdict},
                            {"dkimVerdict", verdict},
                            {"dmarcVerdict", verdict},
                            {"action", object(action)}})}};
    if (!topic.object_prefix) {
      message.emplace_back("content", json_text(sdk::base64(arrival.bytes)));
    }
    for (const auto& [subscription, endpoint] : topic.endpoints) {
      sns_post(arn, "Notification", endpoint, "Amazon SES Email Receipt Notification",
               object(message), {});
    }
  }
}

void MailSimulator::ses_event(const SentMail& mail, bool bounced) {
  const std::string now = iso_ms(clock_.now_ms());
  std::vector<std::string> to;
  for (const std::string& address : mail.envelope.to) to.push_back(json_text(address));
  Members message{{"notificationType", json_text(bounced ? "Bounce" : "Delivery")},
                  {"mail", object({{"timestamp", json_text(now)},
                                   {"source", json_text(mail.envelope.from)},
                                   {"messageId", json_text(mail.id)},
                                   {"destination", array(to)}})}};
  if (bounced) {
    message.emplace_back(
        "bounce",
        object({{"bounceType", json_text("Permanent")},
                {"bounceSubType", json_text("General")},
                {"bouncedRecipients",
                 array({object({{"emailAddress", to.front()},
                                {"action", json_text("failed")},
                                {"status", json_text("5.1.1")},
                                {"diagnosticCode", json_text("smtp; 550 5.1.1 user unknown")}})})},
                {"timestamp", json_text(now)},
                {"feedbackId", json_text(mint_hex(40))}}));
  } else {
    message.emplace_back("delivery", object({{"timestamp", json_text(now)},
                                             {"recipients", array(to)},
                                             {"smtpResponse", json_text("250 2.0.0 OK")}}));
  }
  for (const auto& [arn, topic] : ses_->topics) {
    if (topic.address != plain_address(mail.envelope.from)) continue;
    for (const auto& [subscription, endpoint] : topic.endpoints) {
      sender_.after(scaled(kMailEventAfterMs), [this, arn = arn, endpoint = endpoint,
                                                text = object(message)] {
        const std::lock_guard lock(mutex_);
        sns_post(arn, "Notification", endpoint, "Amazon SES Email Event Notification", text, {});
      });
    }
  }
}

}  // namespace gateway::simulate
