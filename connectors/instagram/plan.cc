#include "connectors/instagram/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "connectors/instagram/account.h"
#include "connectors/instagram/receive.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/meta.h"
#include "connectors/sdk/text.h"

namespace instagram {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Document;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::string_view kFields =
    "messages,message_reactions,messaging_postbacks,messaging_seen,messaging_referral,message_edit";
// These take a permission of their own, instagram_business_manage_comments.
// https://developers.facebook.com/docs/instagram-platform/webhooks (read 2026-11-21)
constexpr std::string_view kCommentFields = ",comments,live_comments";

// https://developers.facebook.com/docs/messenger-platform/instagram/features/send-message: bytes of
// UTF-8, not characters (read 2026-11-21).
constexpr std::size_t kMaxTextBytes = 1000;
constexpr std::size_t kMaxImages = 10;
constexpr std::size_t kMaxQuickReplies = 13;
constexpr std::size_t kMaxQuickReplyTitle = 20;
constexpr std::size_t kMaxPieces = 24;

// Of a message that is refused for trouble of Meta's: code 2 may also mean blocked by the user.
constexpr std::int64_t kFewAttempts = 3;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::int64_t kWindowMs = kDayMs;           // answers to a message
constexpr std::int64_t kHumanWindowMs = 7 * kDayMs;  // by a human agent, and private replies
// Long-lived tokens live 60 days and may be refreshed when they are a day old.
constexpr std::int64_t kTokenLifeMs = 60 * kDayMs;
constexpr std::int64_t kRefreshBeforeMs = 20 * kDayMs;

Fail permanent(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

std::string cleaned(const Channel& channel, std::string_view words) {
  const auto secrets = secrets_of(channel);
  return connector::without_secrets(words, secrets);
}

// Codes: https://developers.facebook.com/docs/messenger-platform/error-codes (read 2026-11-21) and
// the Instagram Platform's; the others are reported by users of the API and matched after the code.
Failure failure_of(const connector::meta::GraphError& error, Failure otherwise) {
  const auto is_one_of = [](std::int64_t code, std::initializer_list<std::int64_t> codes) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
  };
  if (is_one_of(error.subcode, {2534022, 2018278, 2534037, 2534040})) return Failure::permanent;
  if (is_one_of(error.subcode, {2534014, 2018001, 1545041})) return Failure::unreachable;
  if (is_one_of(error.subcode, {2207001, 2207003})) return Failure::retry;
  if (is_one_of(error.code, {4, 17, 32, 613, 80002, 80006})) return Failure::rate;
  if (is_one_of(error.code, {190, 102, 0})) return Failure::auth;
  if (is_one_of(error.code, {3, 10, 368, 803}) || (error.code >= 200 && error.code <= 299)) {
    return Failure::auth;
  }
  if (error.code == 551) return Failure::unreachable;
  // An answer of this form says that it was not done.
  if (is_one_of(error.code, {-1, 1, 2, 1200}) || error.is_transient) return Failure::retry;
  if (error.code == 100 || (error.code >= 36000 && error.code <= 36004)) return Failure::permanent;
  return otherwise;
}

Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  Fail fail = connector::fail_from(response, repeat, channel.now_ms);
  const auto error = connector::meta::graph_error(response);
  if (!error) return fail;
  fail.code = failure_of(*error, fail.code);
  if (!error->message.empty()) fail.why = cleaned(channel, error->message);
  fail.platform_code = std::to_string(error->code);
  if (error->subcode != 0) fail.platform_code += "/" + std::to_string(error->subcode);
  if (fail.code == Failure::retry) fail.max_attempts = kFewAttempts;
  if (fail.code == Failure::rate || fail.code == Failure::retry) {
    fail.retry_after_ms = std::max(fail.retry_after_ms, connector::meta::usage_wait_ms(response));
  }
  if (error->code == 190) fail.why += "; connect the Instagram account again for a new token";
  return fail;
}

Call authorized(const Channel& channel, Call call) {
  call.headers.push_back(connector::bearer_auth(token_of(channel)));
  call.url_is_secret = false;
  return call;
}

Call get(const Channel& channel, std::string_view path) {
  return authorized(channel, {.method = "GET", .url = graph_url(channel, path)});
}

Call post(const Channel& channel, std::string_view path, std::string json) {
  return authorized(channel, connector::json_call(graph_url(channel, path), std::move(json)));
}

// ---- the account and its subscription

struct Identity {
  std::string account;
  std::string alias;
  std::string username;
};

std::string who_am_i(const Channel& channel) {
  if (by_facebook_login(channel)) {
    return node(channel) + "?fields=id,name,instagram_business_account{id,username}";
  }
  return "me?fields=user_id,username,id";
}

Identity identity_of(const Channel& channel, const Response& response) {
  const auto document = Document::parse(response.body);
  const Value root = document ? document->root() : Value();
  const auto digits = [](Value value) { return std::string(value.digits().value_or("")); };
  if (by_facebook_login(channel)) {
    const Value account = root["instagram_business_account"];
    return {digits(account["id"]), digits(root["id"]),
            std::string(account["username"].text_or(""))};
  }
  return {digits(root["user_id"]), digits(root["id"]), std::string(root["username"].text_or(""))};
}

// The callback URL belongs to the app, which the account's token may not change.
Done registered(const Channel& channel, const Identity& identity) {
  Done done;
  done.state = {{std::string(kAccount), identity.account},
                {std::string(kAlias), identity.alias},
                {"username", identity.username}};
  if (!state_is_of_this_token(channel)) {
    done.state.insert(done.state.end(), {{std::string(kTokenOf), fingerprint(channel)},
                                         {std::string(kToken), ""},
                                         {std::string(kTokenSince), std::to_string(channel.now_ms)},
                                         {std::string(kTokenUntil), ""},
                                         {std::string(kTokenTried), ""}});
  }
  const bool keyed = channel.setting("app_secret").empty();
  done.results = {{"registration", "manual"},
                  {"instruction.callback_url",
                   keyed ? connector::keyed_webhook_url(channel) : channel.webhook_url},
                  {"instruction.verify_token", std::string(channel.setting("verify_token"))},
                  {"account", identity.account},
                  {"account", connector::meta::handshake_account(channel.setting("verify_token"))}};
  if (!identity.alias.empty()) done.results.emplace_back("account", identity.alias);
  return done;
}

std::string subscription(const Channel& channel) { return node(channel) + "/subscribed_apps"; }

enum class Comments { wanted, left_out };

Call subscribe(const Channel& channel, const Identity& identity, Comments comments) {
  std::string fields(by_facebook_login(channel) ? "messages" : kFields);
  if (!by_facebook_login(channel) && comments == Comments::wanted) fields += kCommentFields;
  const std::string who =
      by_facebook_login(channel) ? node(channel) : sdk::url_encode(identity.account);
  return authorized(channel,
                    {.method = "POST",
                     .url = graph_url(channel, who + "/subscribed_apps?subscribed_fields=" +
                                                   sdk::url_encode(fields))});
}

// A parameter (100) or a permission (10, 200 to 299) is what Instagram does not like.
bool refuses_fields(const Response& response) {
  if (response.status != 400 && response.status != 403) return false;
  const auto error = connector::meta::graph_error(response);
  return error &&
         (error->code == 10 || error->code == 100 || (error->code >= 200 && error->code <= 299));
}

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (by_facebook_login(channel) && channel.setting("page_id").empty()) {
    return Fail{.code = Failure::config,
                .why =
                    "page_id is missing: with Facebook Login messages go through the page that "
                    "is linked to the Instagram account"};
  }
  if (so_far.empty()) return get(channel, who_am_i(channel));
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  const Identity identity = identity_of(channel, so_far[0]);
  if (identity.account.empty()) {
    return Fail{.code = Failure::config,
                .why =
                    "the access token names no Instagram professional account; it must be a "
                    "token of the account (Instagram Login) or of its page (Facebook Login)"};
  }
  const std::string_view wanted = channel.setting("account_id");
  if (!wanted.empty() && wanted != identity.account && wanted != identity.alias) {
    return Fail{.code = Failure::config,
                .why = "account_id is another account than the access token's, which is " +
                       identity.account};
  }
  if (so_far.size() == 1) return subscribe(channel, identity, Comments::wanted);
  // Without a permission for comments the messages are still to be had.
  const bool without_comments = !by_facebook_login(channel) && refuses_fields(so_far[1]);
  if (without_comments && so_far.size() == 2) {
    return subscribe(channel, identity, Comments::left_out);
  }
  const Response& last = so_far[without_comments ? 2 : 1];
  if (!connector::is_success(last)) return fail_of(channel, last, Repeat::safe);
  const auto answer = Document::parse(last.body);
  if (!answer || !answer->root()["success"].boolean().value_or(false)) {
    return Fail{.code = Failure::retry, .why = "Instagram did not confirm the subscription"};
  }
  Done done = registered(channel, identity);
  if (without_comments) {
    done.results.emplace_back("warning",
                              "comments are not delivered: the access token lacks the permission "
                              "instagram_business_manage_comments");
  }
  return done;
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (channel.kept(kAccount).empty()) return Done{};  // nothing of ours was ever registered
  if (so_far.empty()) {
    return authorized(channel,
                      {.method = "DELETE", .url = graph_url(channel, subscription(channel))});
  }
  if (!connector::is_success(so_far[0]) && so_far[0].status != 404) {
    return fail_of(channel, so_far[0], Repeat::safe);
  }
  return Done{};
}

bool lists_messages(const Response& response) {
  const auto document = Document::parse(response.body);
  if (!document) return false;
  for (const Value app : document->root()["data"].elements()) {
    for (const Value field : app["subscribed_fields"].elements()) {
      if (field.text_or("") == "messages") return true;
    }
  }
  return false;
}

// A token whose age is not known is refreshed once it is certainly a day old: the answer tells how
// long it lives. What cannot be refreshed is not tried again for a day.
bool refresh_is_due(const Channel& channel) {
  if (by_facebook_login(channel) || !state_is_of_this_token(channel)) return false;
  const std::int64_t now = channel.now_ms;
  const std::int64_t since = kept_ms(channel, kTokenSince);
  const std::int64_t until = kept_ms(channel, kTokenUntil);
  if (now - since < kDayMs || now - kept_ms(channel, kTokenTried) < kDayMs) return false;
  return until == 0 || until - now < kRefreshBeforeMs;
}

Call refresh(const Channel& channel) {
  return {.method = "GET",
          .url =
              "https://graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token"
              "&access_token=" +
              sdk::url_encode(token_of(channel)),
          .url_is_secret = true};
}

Step refreshed(const Channel& channel, const Response& response) {
  Done done;
  done.state.emplace_back(kTokenTried, std::to_string(channel.now_ms));
  const auto error = connector::meta::graph_error(response);
  if (error && error->code == 190) return fail_of(channel, response, Repeat::safe);
  if (!connector::is_success(response) && !error) {
    return fail_of(channel, response, Repeat::safe);
  }
  const auto document = Document::parse(response.body);
  const std::string token(document ? document->root()["access_token"].text_or("") : "");
  if (token.empty()) return done;  // a token of another kind; it may well live for ever
  const std::int64_t seconds = document->root()["expires_in"].integer().value_or(0);
  const std::int64_t life =
      seconds > 0 ? std::min(seconds, kTokenLifeMs / 1000 * 2) * 1000 : kTokenLifeMs;
  done.state.emplace_back(kToken, token);
  done.state.emplace_back(kTokenOf, fingerprint(channel));
  done.state.emplace_back(kTokenSince, std::to_string(channel.now_ms));
  done.state.emplace_back(kTokenUntil, std::to_string(channel.now_ms + life));
  return done;
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, subscription(channel));
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  if (!lists_messages(so_far[0])) {
    return Done{
        .results = {{"problem", "the app is no longer subscribed to the account's messages"},
                    {"repair", "register"}}};
  }
  if (!refresh_is_due(channel)) return Done{};
  if (so_far.size() == 1) return refresh(channel);
  return refreshed(channel, so_far[1]);
}

// ---- messages

bool is_comment(std::string_view thread) { return thread.starts_with(kCommentThread); }

// Begins the body of a call: whom it is for.
Writer addressed(const Event& input) {
  Writer body;
  body.object().key("recipient").object();
  if (is_comment(input.thread)) {
    body.member("comment_id", std::string_view(input.thread).substr(kCommentThread.size()));
  } else {
    body.member("id", input.thread);
  }
  body.end();
  return body;
}

std::optional<std::int64_t> since_last_ms(const Channel& channel, const Event& input) {
  const auto text = connector::find(input.extra, "last.sent_ms");
  if (!text) return std::nullopt;
  std::int64_t last = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), last);
  if (error != std::errc() || end != text->data() + text->size() || last <= 0) return std::nullopt;
  return channel.now_ms - last;
}

struct QuickReply {
  std::string title;
  std::string payload;
};

// metadata {"quick_replies": [{"title", "payload"}]}
sdk::Expected<std::vector<QuickReply>, Fail> quick_replies_of(const Event& input) {
  std::vector<QuickReply> replies;
  const auto text = connector::find(input.extra, "quick_replies");
  if (!text) return replies;
  const auto document = Document::parse(*text);
  if (!document || !document->root().is_array()) {
    return permanent("quick_replies must be a list of {title, payload}");
  }
  for (const Value item : document->root().elements()) {
    const std::string title(item["title"].text_or(""));
    if (title.empty() || sdk::utf16_length(title) > kMaxQuickReplyTitle) {
      return permanent("the title of a quick reply must have 1 to 20 characters");
    }
    replies.push_back({title, std::string(item["payload"].text_or(title))});
    if (replies.back().payload.size() > kMaxTextBytes) {
      return permanent("the payload of a quick reply must have at most 1000 bytes");
    }
  }
  if (replies.size() > kMaxQuickReplies) {
    return permanent("a message can have at most 13 quick replies");
  }
  return replies;
}

// One message of ours as Instagram's: text and media are messages of their own.
class Composer {
 public:
  Composer(const Channel& channel, const Event& input, bool plain)
      : channel_(channel), input_(input), plain_(plain) {}

  sdk::Expected<std::vector<Call>, Fail> compose() {
    const auto since = since_last_ms(channel_, input_);
    if (since && *since > kHumanWindowMs) {
      return permanent(
          "the customer wrote more than 7 days ago; Instagram lets a business answer within 24 "
          "hours, and a human agent within 7 days");
    }
    late_ = since && *since > kWindowMs && !is_comment(input_.thread);
    auto replies = quick_replies_of(input_);
    if (!replies) return std::move(replies).error();
    replies_ = *std::move(replies);
    if (auto why = add_texts(); !why.empty()) return permanent(why);
    if (auto why = add_attachments(); !why.empty()) return permanent(why);
    if (calls_.empty()) return permanent("the message has neither text nor attachments");
    if (calls_.size() > kMaxPieces) {
      return permanent("the message would become more than 24 messages of Instagram");
    }
    if (is_comment(input_.thread) && calls_.size() > 1) {
      return permanent(
          "a comment can be answered in private once, with one text of at most 1000 bytes");
    }
    return std::move(calls_);
  }

 private:
  void finish(Writer& body) {
    if (late_) {
      body.member("messaging_type", "MESSAGE_TAG").member("tag", "HUMAN_AGENT");
    } else if (!is_comment(input_.thread)) {
      body.member("messaging_type", "RESPONSE");
    }
    if (calls_.empty() && !input_.reply_to.empty() && !plain_ && !is_comment(input_.thread)) {
      body.key("reply_to").object().member("mid", input_.reply_to).end();
    }
    calls_.push_back(post(channel_, node(channel_) + "/messages", body.end().take()));
  }

  std::string add_texts() {
    std::vector<std::string> texts = sdk::split_bytes(input_.text, kMaxTextBytes);
    std::erase_if(texts, [](const std::string& text) {
      return text.find_first_not_of(" \t\n") == std::string::npos;
    });
    if (texts.empty() && !replies_.empty()) return "quick replies stand below a text";
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Writer body = addressed(input_);
      body.key("message").object().member("text", texts[i]);
      if (i + 1 == texts.size() && !replies_.empty()) {
        body.key("quick_replies").array();
        for (const QuickReply& reply : replies_) {
          body.object()
              .member("content_type", "text")
              .member("title", reply.title)
              .member("payload", reply.payload)
              .end();
        }
        body.end();
      }
      body.end();
      finish(body);
    }
    return {};
  }

  void add_images(std::span<const Attachment> images) {
    Writer body = addressed(input_);
    body.key("message").object().key("attachments").array();
    for (const Attachment& image : images) {
      body.object().member("type", "image").key("payload").object().member("url", image.url);
      body.end().end();
    }
    body.end().end();
    finish(body);
  }

  void add_one(const Attachment& attachment) {
    Writer body = addressed(input_);
    body.key("message").object().key("attachment").object();
    if (attachment.kind == "sticker") {
      body.member("type", "like_heart");
    } else {
      body.member("type", attachment.kind);
      body.key("payload").object().member("url", attachment.url).end();
    }
    body.end().end();
    finish(body);
  }

  // Several images that follow each other become one message.
  std::string add_attachments() {
    const auto& all = input_.attachments;
    for (std::size_t i = 0; i < all.size();) {
      const std::string& kind = all[i].kind;
      const bool known = kind == "image" || kind == "video" || kind == "audio" || kind == "file";
      if (!known && kind != "sticker") {
        return "Instagram takes images, videos, audio, files and the heart sticker as attachments";
      }
      if (known && !all[i].url.starts_with("https://")) return "an attachment has no https URL";
      std::size_t end = i + 1;
      while (kind == "image" && end < all.size() && end - i < kMaxImages &&
             all[end].kind == "image" && all[end].url.starts_with("https://")) {
        ++end;
      }
      if (end - i > 1) {
        add_images(std::span(all).subspan(i, end - i));
      } else {
        add_one(all[i]);
      }
      i = end;
    }
    return {};
  }

  const Channel& channel_;
  const Event& input_;
  const bool plain_;  // without the quotation
  bool late_ = false;
  std::vector<QuickReply> replies_;
  std::vector<Call> calls_;
};

// The names Instagram has for reactions; what else is an emoji it does not take.
std::optional<std::string_view> reaction_name(std::string_view emoji) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames{{
      {"\u2764\uFE0F", "love"},
      {"\u2764", "love"},
      {"\U0001F606", "smile"},
      {"\U0001F620", "angry"},
      {"\U0001F622", "sad"},
      {"\U0001F62E", "wow"},
      {"\U0001F44D", "like"},
      {"\U0001F44E", "dislike"},
  }};
  for (const auto& [symbol, name] : kNames) {
    if (symbol == emoji) return name;
  }
  return std::nullopt;
}

Step react(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.message.empty()) return permanent("there is no message to react to");
  const auto name = reaction_name(input.text);
  if (!input.text.empty() && !name) {
    return permanent("Instagram takes only love, smile, angry, sad, wow, like and dislike");
  }
  if (so_far.empty()) {
    Writer body = addressed(input);
    body.member("sender_action", name ? "react" : "unreact").key("payload").object();
    body.member("message_id", input.message);
    if (name) body.member("reaction", *name);
    return post(channel, node(channel) + "/messages", body.end().end().take());
  }
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  return Done{};
}

// reply_to is newer than some accounts: what it makes fail is sent once more without it.
bool refuses_quotation(const Channel& channel, const Event& input, const Response& response) {
  if (input.reply_to.empty() || connector::is_success(response)) return false;
  const auto error = connector::meta::graph_error(response);
  return error && error->code == 100 &&
         fail_of(channel, response, Repeat::harmful).code == Failure::permanent;
}

Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.thread.empty()) return permanent("the conversation has no Instagram user");
  if (input.kind == EventKind::reaction) return react(channel, input, so_far);
  if (input.kind != EventKind::message) {
    return permanent("Instagram lets a business neither edit nor delete what it sent");
  }
  const bool plain = !so_far.empty() && refuses_quotation(channel, input, so_far[0]);
  auto calls = Composer(channel, input, plain).compose();
  if (!calls) return calls.error();
  Done done;
  std::size_t sent = 0;
  for (const Response& response : so_far.subspan(plain ? 1 : 0)) {
    if (!connector::is_success(response)) {
      Fail fail = fail_of(channel, response, Repeat::harmful);
      if (sent > 0) {
        fail.why = "part " + std::to_string(sent + 1) + " of " + std::to_string(calls->size()) +
                   " was not accepted: " + fail.why;
      }
      return fail;
    }
    const auto answer = Document::parse(response.body);
    const std::string id(answer ? answer->root()["message_id"].text_or("") : "");
    if (!id.empty()) done.results.emplace_back("message", id);
    // Private replies may be answered without an id.
    if (id.empty() && !is_comment(input.thread)) {
      return Fail{.code = Failure::uncertain, .why = "Instagram named no message"};
    }
    if (++sent == calls->size()) return done;
  }
  return std::move((*calls)[sent]);
}

Step signal(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.thread.empty() || is_comment(input.thread)) return Done{};
  if (so_far.empty()) {
    const bool typing = input.kind == EventKind::typing;
    Writer body = addressed(input);
    body.member("sender_action", !typing                ? "mark_seen"
                                 : input.state == "off" ? "typing_off"
                                                        : "typing_on");
    return post(channel, node(channel) + "/messages", body.end().take());
  }
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  return Done{};
}

// ---- contacts

// No delivery carries a name, so it is asked for while the contact has none. People who have not
// agreed to it, or are gone (230, 9010), keep the one they were given.
Step look_up_profile(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const bool has_name =
      input.contact.empty() || input.contact_name != placeholder_name(input.contact);
  if (has_name || is_comment(input.thread)) return Done{};
  if (so_far.empty()) {
    return get(channel, sdk::url_encode(input.contact) + "?fields=name,username");
  }
  const Response& response = so_far[0];
  if (const auto error = connector::meta::graph_error(response);
      error && (error->code == 230 || error->code == 9010 || error->code == 100)) {
    return Done{};
  }
  if (!connector::is_success(response)) return fail_of(channel, response, Repeat::safe);
  const auto document = Document::parse(response.body);
  const Value profile = document ? document->root() : Value();
  std::string name(sdk::trim(profile["name"].text_or("")));
  if (name.empty()) name = sdk::trim(profile["username"].text_or(""));
  if (name.empty()) return Done{};
  Event event{.kind = EventKind::contact_state};
  event.thread = input.thread;
  event.contact = input.contact;
  event.contact_name = std::move(name);
  event.state = "active";
  event.sent_ms = input.sent_ms;
  event.key = input.key + ":profile";
  Done done;
  done.events.push_back(std::move(event));
  return done;
}

// ---- media

// Deliveries name links; only Meta's own servers are asked for them.
bool is_metas(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const std::string host = sdk::lower_ascii(url.substr(0, url.find_first_of("/?#")));
  if (host.find_first_of("@:\\") != std::string::npos) return false;
  for (const std::string_view ours : {".fbsbx.com", ".cdninstagram.com", ".fbcdn.net"}) {
    if (host.ends_with(ours)) return true;
  }
  return false;
}

Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty()) return permanent("there is nothing to fetch");
  const Attachment& attachment = input.attachments[0];
  if (!is_metas(attachment.media_id)) return permanent("the link is not one of Instagram's");
  if (so_far.empty()) {
    Call call{.method = "GET", .url = attachment.media_id};
    call.answer_is_media = true;
    return call;
  }
  const Response& response = so_far[0];
  if (connector::is_success(response)) return Done{};
  // No credential goes with the link, so a refusal is the link's own.
  if (response.status == 401 || response.status == 403 || response.status == 404 ||
      response.status == 410) {
    return permanent("the link has expired or the content was deleted");
  }
  return connector::fail_from(response, Repeat::safe, channel.now_ms);
}

}  // namespace

Step plan(const Channel& channel, connector::Operation operation, const Event& input,
          std::span<const Response> so_far) {
  using enum connector::Operation;
  switch (operation) {
    case register_webhook:
      return instagram::register_webhook(channel, so_far);
    case unregister_webhook:
      return instagram::unregister_webhook(channel, so_far);
    case check:
      return instagram::check(channel, so_far);
    case send:
      return instagram::send(channel, input, so_far);
    case fetch_media:
      return instagram::fetch_media(channel, input, so_far);
    case signal:
      return instagram::signal(channel, input, so_far);
    case acknowledge:
      return look_up_profile(channel, input, so_far);
    case poll:
      break;
  }
  return Done{};
}

}  // namespace instagram
