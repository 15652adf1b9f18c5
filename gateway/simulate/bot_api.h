// The simulated Bot API: what a bot may ask and what it is told, in the platform's words.
//
// Works on a World, does no I/O and holds no lock; TelegramSimulator calls it under its own.
// Facts: https://core.telegram.org/bots/api and the texts of github.com/tdlib/telegram-bot-api
// (Client.cpp, read 2026-11-20).
#ifndef GATEWAY_SIMULATE_BOT_API_H_
#define GATEWAY_SIMULATE_BOT_API_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/params.h"
#include "gateway/simulate/urls.h"
#include "gateway/simulate/world.h"

namespace gateway::simulate {

// A message a bot sent, or tried to: only those that arrived are listed.
struct SentMessage {
  std::int64_t number = 0;  // rises by one over all bots
  std::int64_t bot_id = 0;
  std::int64_t chat_id = 0;
  std::int64_t message_id = 0;
  std::int64_t reply_to = 0;
  std::string method;  // as documented: "sendMessage"
  std::string text;    // text or caption
  std::string json;    // the Message object
};

// What the API must know of the delivery side, and do to it.
class DeliveryDesk {
 public:
  struct Health {
    std::int64_t pending = 0;
    std::int64_t last_error_date = 0;  // unix seconds, 0: none
    std::string last_error_message;
  };
  virtual ~DeliveryDesk() = default;
  virtual Health health(std::int64_t bot_id) = 0;
  // The bot's webhook or its list of kinds changed.
  virtual void webhook_changed(const Bot& bot, bool drop_pending) = 0;
  // getUpdates: forgets what is below the offset, answers up to `limit` bodies.
  virtual std::vector<std::string> poll(std::int64_t bot_id, std::int64_t offset,
                                        std::size_t limit) = 0;
};

struct ApiRules {
  UrlRules urls = UrlRules::loopback;
  std::int64_t set_webhook_interval_ms = 1'000;
};

struct ApiAnswer {
  int status = 200;
  std::string body;
  std::string description;  // of failures
  std::int64_t retry_after = 0;
};

class BotApi {
 public:
  BotApi(World& world, DeliveryDesk& desk, ApiRules rules)
      : world_(world), desk_(desk), rules_(rules) {}

  // One call. Method names are case-insensitive.
  ApiAnswer call(std::string_view token, std::string_view method, const Params& params);
  // The bytes behind a file_path; absent where there is no such file.
  std::optional<std::string> download(std::string_view token, std::string_view path);

  const std::vector<SentMessage>& sent() const { return sent_; }
  void clear_sent() { sent_.clear(); }

 private:
  struct Destination;
  using Method = ApiAnswer (BotApi::*)(Bot&, const Params&);
  struct Entry {
    std::string_view name;
    Method method;
  };
  static const std::vector<Entry>& methods();

  ApiAnswer get_me(Bot& bot, const Params& params);
  ApiAnswer log_out(Bot& bot, const Params& params);
  ApiAnswer set_webhook(Bot& bot, const Params& params);
  ApiAnswer delete_webhook(Bot& bot, const Params& params);
  ApiAnswer get_webhook_info(Bot& bot, const Params& params);
  ApiAnswer get_updates(Bot& bot, const Params& params);
  ApiAnswer send_message(Bot& bot, const Params& params);
  ApiAnswer send_photo(Bot& bot, const Params& params);
  ApiAnswer send_video(Bot& bot, const Params& params);
  ApiAnswer send_animation(Bot& bot, const Params& params);
  ApiAnswer send_audio(Bot& bot, const Params& params);
  ApiAnswer send_voice(Bot& bot, const Params& params);
  ApiAnswer send_video_note(Bot& bot, const Params& params);
  ApiAnswer send_document(Bot& bot, const Params& params);
  ApiAnswer send_sticker(Bot& bot, const Params& params);
  ApiAnswer send_media_group(Bot& bot, const Params& params);
  ApiAnswer send_location(Bot& bot, const Params& params);
  ApiAnswer send_venue(Bot& bot, const Params& params);
  ApiAnswer send_contact(Bot& bot, const Params& params);
  ApiAnswer send_chat_action(Bot& bot, const Params& params);
  ApiAnswer answer_callback_query(Bot& bot, const Params& params);
  ApiAnswer set_message_reaction(Bot& bot, const Params& params);
  ApiAnswer edit_message_text(Bot& bot, const Params& params);
  ApiAnswer delete_message(Bot& bot, const Params& params);
  ApiAnswer delete_messages(Bot& bot, const Params& params);
  ApiAnswer read_business_message(Bot& bot, const Params& params);
  ApiAnswer get_file(Bot& bot, const Params& params);
  ApiAnswer get_chat(Bot& bot, const Params& params);

  // Where a message goes, or the refusal.
  Result<Destination> destination(Bot& bot, const Params& params);
  // A file by id, URL or upload; its members, or the refusal.
  Result<Members> media(Bot& bot, std::string_view kind, std::string_view value,
                        const Upload* upload);
  ApiAnswer send_file(Bot& bot, const Params& params, std::string_view method,
                      std::string_view kind);
  // Stores the message and answers the Message object.
  std::string deliver(Bot& bot, const Destination& to, std::string_view method,
                      const Members& content, std::string_view text);

  World& world_;
  DeliveryDesk& desk_;
  ApiRules rules_;
  std::vector<SentMessage> sent_;
};

// Null where the rules allow the URL, else the reason in the platform's words.
std::optional<std::string> refuse_webhook_url(std::string_view url, UrlRules rules);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_BOT_API_H_
