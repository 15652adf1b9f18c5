// The Graph API as an operation sees it: calls, answers, and what its error codes mean.
// https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
// (read 2026-11-21). Pure, any thread.
#ifndef CONNECTORS_WHATSAPP_GRAPH_H_
#define CONNECTORS_WHATSAPP_GRAPH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace whatsapp {

// An answer of the Graph API; lives as long as the response it was made of.
class Answer {
 public:
  explicit Answer(const connector::Response& response);

  sdk::json::Value root() const { return document_ ? document_->root() : sdk::json::Value(); }
  bool ok() const;
  bool succeeded() const { return ok() && root()["success"].boolean().value_or(false); }
  // The error's code, where it is Graph that refused and not something in between.
  std::optional<std::int64_t> code() const;
  bool says(std::string_view words) const;
  // Graph refused what was asked for, for a reason that another way may not have: no permission, an
  // unknown field, a callback URL it does not like. Trouble with the token or the network is none.
  bool refused_for_good() const;
  const connector::Response& response() const { return response_; }

 private:
  const connector::Response& response_;
  std::optional<sdk::json::Document> document_;
};

enum class Purpose {
  send,     // of a message: only trouble with the whole account stops the channel
  channel,  // anything about the channel itself
};
connector::Fail fail_of(const connector::Channel& channel, const Answer& answer, Purpose purpose,
                        connector::Repeat repeat);
// Words of the platform, cleaned of everything the config holds.
std::string cleaned(const connector::Channel& channel, std::string_view words);
// What Graph said to an error: its message, and the details where they add something.
std::string words_of(sdk::json::Value error);

connector::Fail permanent(std::string why);

// https://graph.facebook.com/<version>/<path>, the parts of `path` encoded by the caller.
connector::Call get(const connector::Channel& channel, std::string_view path);
connector::Call post(const connector::Channel& channel, std::string_view path, std::string json);

// Walks through the answers an operation has had so far: the n-th ask() belongs to the n-th answer.
//   const Response* answer = talk.ask(get(channel, "me"));
//   if (answer == nullptr) return talk.next_call();
// An app may demand that calls prove to know its secret ("appsecret_proof"). That is learned from a
// refusal, once: the same call is then asked for again with the proof.
class Talk {
 public:
  Talk(const connector::Channel& channel, std::span<const connector::Response> so_far);

  // The answer to this call; null where it is the next to be made.
  const connector::Response* ask(connector::Call call);
  // The same for what is not a call of the Graph API.
  const connector::Response* ask_elsewhere(connector::Call call);
  connector::Call next_call() { return std::move(next_call_); }
  std::size_t answered() const { return next_; }
  // What the channel is to remember of the demand; empty where nothing was learned.
  connector::Pairs learned() const;

 private:
  const connector::Channel& channel_;
  std::span<const connector::Response> so_far_;
  std::size_t next_ = 0;
  bool proves_;
  bool learned_ = false;
  connector::Call next_call_;
};

}  // namespace whatsapp

#endif  // CONNECTORS_WHATSAPP_GRAPH_H_
