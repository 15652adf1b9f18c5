// X's answers: data, problems, and what a problem means for us. Values and pure functions, any
// thread.
//
// X reports problems in several forms, sometimes beside a 2xx status
// (https://docs.x.com/x-api/fundamentals/response-codes-and-errors, read 2026-11-20):
// {"title","detail","type","status"}, {"errors":[{"code","message"}]}, {"errors":[{"title",...}]},
// {"code","message"}, {"error","error_description"}.
#ifndef CONNECTORS_X_ANSWER_H_
#define CONNECTORS_X_ANSWER_H_

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"
#include "connectors/x/api.h"

namespace x {

class Answer {
 public:
  // Keeps a reference to the response.
  explicit Answer(const connector::Response& response);

  const connector::Response& response() const { return response_; }
  sdk::json::Value root() const { return document_ ? document_->root() : sdk::json::Value(); }
  sdk::json::Value data() const { return root()["data"]; }
  // A success that is not taken back by problems in the body.
  bool ok() const;
  // X said no for a reason of its own, which is not one of those that go away.
  bool is_refusal() const;

  // Of the first problem. The code is a number such as "349", a reason such as
  // "DuplicateUrlFailed", the name behind the last slash of `type` ("client-forbidden"), or "".
  std::string code() const;
  std::string words() const;
  // Whether any problem of the answer has these words, given in lower case.
  bool says(std::string_view words) const;
  bool is_problem(std::string_view type) const;  // "usage-capped"
  bool has_code(std::int64_t code) const;

 private:
  sdk::json::Value problem() const;  // the first one

  const connector::Response& response_;
  std::optional<sdk::json::Document> document_;
};

// What a refusal is about decides what a 403 or 404 means.
enum class About {
  app,  // webhooks, subscriptions, credentials: a 403 is a matter of the plan or the permissions
  reading,  // messages, media, uploads
  contact,  // a message to somebody: they may not want it
  post,     // a public answer
};

// Never a success. What was a success without its promised content is retry or uncertain.
connector::Fail fail_of(const Account& account, const Answer& answer, About about,
                        connector::Repeat repeat);

// Until when X wants no more calls of this kind: the latest reset among the windows that are used
// up, in ms from now; 0 where no header says it.
std::int64_t rate_wait_ms(const connector::Response& response, std::int64_t now_ms);

}  // namespace x

#endif  // CONNECTORS_X_ANSWER_H_
