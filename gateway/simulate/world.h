// What exists on the simulated Telegram: bots, chats, messages and files, and the updates that what
// people do there becomes.
//
// No I/O and no lock: TelegramSimulator owns the one World and guards it. Time is a parameter and
// every choice comes from the seed, so a run can be repeated exactly.
// Facts: https://core.telegram.org/bots/api#available-types (Bot API 10.0, read 2026-11-20).
#ifndef GATEWAY_SIMULATE_WORLD_H_
#define GATEWAY_SIMULATE_WORLD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/simulate/members.h"
#include "gateway/simulate/people.h"

namespace gateway::simulate {

struct StoredMessage {
  std::string json;
  std::string text;  // text or caption
  std::int64_t sender = 0;
};

struct ChatState {
  Chat chat;
  std::int64_t next_message_id = 1;
  std::map<std::int64_t, StoredMessage> messages;
  std::string forbidden;  // why the bot may not write here, in the platform's words
  std::int64_t migrated_to = 0;
};

struct Webhook {
  std::string url;
  std::string secret_token;
  std::int64_t max_connections = 40;
  std::string ip_address;
  bool has_custom_certificate = false;
  bool operator==(const Webhook&) const = default;
};

struct File {
  std::string path;
  std::string unique_id;
  std::int64_t size = 0;
};

struct Bot {
  User user;
  std::string token;
  bool revoked = false;
  std::optional<Webhook> webhook;
  std::vector<std::string> allowed_updates;  // empty: the default list; outlives the webhook
  std::int64_t next_update_id = 0;
  std::map<std::int64_t, ChatState> chats;
  std::map<std::string, File, std::less<>> files;
  std::map<std::string, bool, std::less<>> callbacks;  // id -> answered
  std::set<std::string, std::less<>> business_connections;
  std::int64_t webhook_set_at_ms = 0;
};

// One update on its way to the bot.
struct Update {
  std::int64_t bot_id = 0;
  std::int64_t update_id = 0;
  std::string kind;
  std::string body;   // what is posted, byte for byte
  std::string queue;  // updates of one queue are delivered one at a time and in order
  std::int64_t chat_id = 0;
  std::int64_t message_id = 0;
  std::int64_t lifetime_ms = 0;
};

// A message somebody writes. Everything but `from` has a usable default.
struct Incoming {
  std::string kind = "message";
  std::optional<User> from;     // absent in channels
  std::optional<Chat> chat;     // absent: the private chat with `from`
  Members content;              // behind the common members: text, photo, sender_chat, ...
  std::int64_t message_id = 0;  // of edits; 0: the chat's next one
  std::int64_t reply_to = 0;
  std::string quote;      // needs reply_to
  std::int64_t date = 0;  // unix seconds; 0: now
};

class World {
 public:
  World(std::uint64_t seed, const Clock& clock);

  // The bot a token speaks for, made on its first appearance. Null where the token has no valid
  // form, belongs to another secret than the one first seen, or was revoked.
  Bot* authenticate(std::string_view token);
  Bot* find_bot(std::int64_t id);
  std::map<std::int64_t, Bot>& bots() { return bots_; }

  // What people do. Chats come into being by it.
  Update message(Bot& bot, const Incoming& incoming);
  Update callback(Bot& bot, const User& from, std::int64_t chat_id, std::int64_t message_id,
                  std::string_view data);
  // An empty emoji is none.
  Update reaction(Bot& bot, const User& from, std::int64_t chat_id, std::int64_t message_id,
                  std::string_view before, std::string_view after);
  // The bot's own membership: kicked (blocked), member, left, administrator.
  Update membership(Bot& bot, const User& from, std::int64_t chat_id, std::string_view before,
                    std::string_view after);
  Update business_connection(Bot& bot, const User& owner, std::string_view id, bool enabled);
  Update business_deleted(Bot& bot, std::string_view connection, std::int64_t chat_id,
                          const std::vector<std::int64_t>& message_ids);
  // The two service messages of an upgrade; what is sent to the old chat fails from here on.
  std::pair<Update, Update> migrate(Bot& bot, const User& from, std::int64_t chat_id,
                                    std::int64_t new_chat_id);
  // An update of any kind around ready JSON.
  Update other(Bot& bot, std::string_view kind, std::string_view json, std::string queue);
  // Bytes delivered as they are, valid or not.
  Update verbatim(Bot& bot, std::string body, std::string queue);

  // Content of messages. Files are minted and can be downloaded by the bot.
  Members text(std::string_view text) const;
  Members photo(Bot& bot, std::string_view caption = {});
  Members video(Bot& bot, std::string_view caption = {});
  Members animation(Bot& bot, std::string_view caption = {});
  Members audio(Bot& bot, std::string_view title, std::string_view performer);
  Members voice(Bot& bot, int seconds);
  Members video_note(Bot& bot, int seconds);
  Members document(Bot& bot, std::string_view name, std::string_view mime_type, std::int64_t size,
                   std::string_view caption = {});
  Members sticker(Bot& bot, std::string_view emoji);
  Members location(double latitude, double longitude) const;
  Members venue(double latitude, double longitude, std::string_view title,
                std::string_view address) const;
  Members contact(std::string_view phone, std::string_view name, std::int64_t user_id) const;
  Members poll(std::string_view question, const std::vector<std::string>& options);

  ChatState& chat(Bot& bot, const Chat& chat);
  // Remembers a message under its id; the oldest of a chat are forgotten.
  void remember(ChatState& chat, std::int64_t message_id, StoredMessage message);
  // A message of the bot that was there before the simulation began.
  std::int64_t earlier_bot_message(Bot& bot, const Chat& where, std::string_view text,
                                   std::int64_t date);

  std::string mint_file(Bot& bot, std::string_view kind, std::string_view extension,
                        std::int64_t size);
  std::string mint_id(std::size_t characters);  // base64url alphabet
  std::string mint_number();                    // decimal, up to 2^63 - 1
  std::uint64_t below(std::uint64_t limit);     // uniform
  // Unix seconds on what happens next; a scenario may pretend another time, 0 ends that.
  std::int64_t now() const { return pretended_ != 0 ? pretended_ : clock_.now_ms() / 1000; }
  void pretend(std::int64_t unix_seconds) { pretended_ = unix_seconds; }
  std::int64_t now_ms() const { return clock_.now_ms(); }

 private:
  Update wrap(Bot& bot, std::string_view kind, std::string_view json, std::string queue,
              std::int64_t chat_id, std::int64_t message_id);
  // The members every file object begins with.
  Members file_members(Bot& bot, std::string_view kind, std::string_view extension,
                       std::int64_t size);

  const Clock& clock_;
  std::mt19937_64 random_;
  std::map<std::int64_t, Bot> bots_;
  std::int64_t pretended_ = 0;
};

// Whether a bot with this list gets updates of this kind.
// https://core.telegram.org/bots/api#setwebhook: the default leaves three kinds out.
bool wants(const Bot& bot, std::string_view kind);
bool is_update_kind(std::string_view kind);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_WORLD_H_
