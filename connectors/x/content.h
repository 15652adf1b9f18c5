// Direct messages and posts as normalized events, in the shapes of v1.1 (webhooks) and v2 (lookups,
// X Activity API). The same message becomes the same event by whichever way it comes.
// Pure functions over borrowed JSON; any thread.
//
//   key     = "dm:" id | "post:" id
//   message = id
#ifndef CONNECTORS_X_CONTENT_H_
#define CONNECTORS_X_CONTENT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"
#include "connectors/sdk/values.h"

namespace x {

// Part of a text, by code points, and what to show in its place; "" cuts it out.
struct Replacement {
  std::size_t from = 0;
  std::size_t to = 0;  // exclusive
  std::string found;   // what must stand there
  std::string shown;
};

// X's text with its t.co links replaced and its three HTML escapes (&amp; &lt; &gt;) undone, once.
// Indices count Unicode code points
// (https://docs.x.com/resources/fundamentals/counting-characters, read 2026-11-20); where something
// else stands at them, the link is looked for, and left alone where it is not found.
std::string readable(std::string_view text, std::vector<Replacement> replacements);

// Facts an event needs beside its own JSON.
struct Delivery {
  std::string self;     // the user whose activity it is
  std::string account;  // the same where it is not the channel's, else ""
  std::int64_t now_ms = 0;
};

// {id, type: message_create, message_create: {...}}. `users` maps ids to users of v1.1, or of v2
// wrapped in "data"; `apps` maps ids to apps. Absent for what is no message.
std::optional<connector::Event> direct_message(const Delivery& delivery, sdk::json::Value message,
                                               sdk::json::Value users, sdk::json::Value apps);

// A MessageCreate of GET /2/dm_events; `includes` as beside it. Absent for what is no message, or
// does not say who wrote it where.
std::optional<connector::Event> looked_up_message(const Delivery& delivery, sdk::json::Value found,
                                                  sdk::json::Value includes);

// A public post of somebody else. Absent for the account's own posts, for reposts, and for what is
// no post.
std::optional<connector::Event> legacy_post(const Delivery& delivery, sdk::json::Value value);
std::optional<connector::Event> post(const Delivery& delivery, sdk::json::Value value,
                                     sdk::json::Value includes);

// Of a user of either version; "" where it has none. The name a contact is shown by is this or,
// failing that, the id.
std::string name_of(sdk::json::Value user);
// A user by id in a map or a list, wrapped in "data" or not.
sdk::json::Value user_in(sdk::json::Value users, std::string_view id);

void add(connector::Pairs& pairs, std::string_view name, std::string value);

}  // namespace x

#endif  // CONNECTORS_X_CONTENT_H_
