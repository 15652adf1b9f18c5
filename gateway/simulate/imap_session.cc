#include "gateway/simulate/imap_session.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/mail_text.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kLineBytes = 64u << 10;
constexpr std::size_t kLiteralBytes = 40u << 20;
constexpr std::size_t kDepth = 16;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "20-Nov-2026 09:00:00 +0000"
std::string internal_date(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1'000);
  std::tm time{};
  gmtime_r(&seconds, &time);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%d-%b-%Y %H:%M:%S +0000", &time));
}

// The day of "20-Nov-2026" as days since 1970; absent where it is none.
std::optional<std::int64_t> day_of(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.size() < dash + 9) return std::nullopt;
  const auto day = number(text.substr(0, dash));
  std::string month = sdk::lower_ascii(text.substr(dash + 1, 3));
  month[0] = static_cast<char>(month[0] - 'a' + 'A');
  const std::size_t at = kMonths.find(month);
  const auto year = number(text.substr(dash + 5, 4));
  if (!day || !year || at == std::string_view::npos || at % 3 != 0) return std::nullopt;
  std::tm time{};
  time.tm_mday = static_cast<int>(*day);
  time.tm_mon = static_cast<int>(at / 3);
  time.tm_year = static_cast<int>(*year) - 1'900;
  return static_cast<std::int64_t>(timegm(&time)) / 86'400;
}

std::size_t header_end(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  return end == std::string_view::npos ? bytes.size() : end + 4;
}

// The fields named, folded as they were, and an empty line.
std::string header_fields(std::string_view bytes, const std::vector<std::string>& names,
                          bool without) {
  std::string out;
  std::string_view rest = bytes.substr(0, header_end(bytes));
  bool taking = false;
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end == std::string_view::npos ? end : end + 2);
    rest.remove_prefix(line.size());
    if (line == "\r\n") break;
    if (line.front() != ' ' && line.front() != '\t') {
      const std::string_view name = line.substr(0, line.find(':'));
      const bool named = std::any_of(names.begin(), names.end(), [&](const std::string& wanted) {
        return sdk::equals_ignoring_case(wanted, name);
      });
      taking = named != without;
    }
    if (taking) out += line;
  }
  return out + "\r\n";
}

std::string literal(std::string_view bytes) {
  return "{" + std::to_string(bytes.size()) + "}\r\n" + std::string(bytes);
}

std::string flags_text(const std::set<std::string>& flags) {
  std::string out = "(";
  for (const std::string& flag : flags) out += (out.size() > 1 ? " " : "") + flag;
  return out + ")";
}

bool has(const ImapMessage& message, std::string_view flag) {
  return std::any_of(message.flags.begin(), message.flags.end(),
                     [&](const std::string& own) { return sdk::equals_ignoring_case(own, flag); });
}

std::string folder_name(std::string_view name) {
  return sdk::equals_ignoring_case(name, "INBOX") ? "INBOX" : std::string(name);
}

}  // namespace

// Reads the words of a command: atoms, quoted strings, literals, lists.
struct ImapSession::Arguments {
  std::string text;
  std::size_t at = 0;

  void skip() {
    while (at < text.size() && text[at] == ' ') ++at;
  }
  bool done() {
    skip();
    return at >= text.size();
  }
  bool list_begins() {
    skip();
    if (at < text.size() && text[at] == '(') {
      ++at;
      return true;
    }
    return false;
  }
  bool list_ends() {
    skip();
    if (at < text.size() && text[at] == ')') {
      ++at;
      return true;
    }
    return false;
  }
  std::string rest() {
    skip();
    return text.substr(std::min(at, text.size()));
  }

  // Absent at the end, and for what is no word. Brackets belong to an atom with what is in them:
  // BODY[HEADER.FIELDS (TO)].
  std::optional<std::string> word() {
    skip();
    if (at >= text.size() || text[at] == ')' || text[at] == '(') return std::nullopt;
    if (text[at] == '"') return quoted_word();
    if (text[at] == '{') return literal_word();
    const std::size_t begin = at;
    int brackets = 0;
    while (at < text.size()) {
      const char c = text[at];
      if (c == '[') ++brackets;
      if (c == ']') --brackets;
      if (brackets <= 0 && (c == ' ' || c == '(' || c == ')')) break;
      ++at;
    }
    return text.substr(begin, at - begin);
  }

 private:
  std::optional<std::string> quoted_word() {
    std::string out;
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) ++at;
      out += text[at];
    }
    if (at >= text.size()) return std::nullopt;
    ++at;
    return out;
  }
  std::optional<std::string> literal_word() {
    const std::size_t close = text.find('}', at);
    if (close == std::string::npos) return std::nullopt;
    std::string_view digits = std::string_view(text).substr(at + 1, close - at - 1);
    if (!digits.empty() && digits.back() == '+') digits.remove_suffix(1);
    const auto size = number(digits);
    if (!size || close + 3 + *size > text.size()) return std::nullopt;
    std::string out = text.substr(close + 3, *size);
    at = close + 3 + *size;
    return out;
  }
};

void ImapStore::add_user(const std::string& user, const std::string& password) {
  const std::lock_guard lock(mutex_);
  User& made = users_[user];
  made.password = password;
  made.folders["INBOX"];
}

bool ImapStore::has_user(const std::string& user) const {
  const std::lock_guard lock(mutex_);
  return users_.count(user) != 0;
}

std::uint32_t ImapStore::append(const std::string& user, std::string bytes, std::int64_t date_ms,
                                const std::string& name) {
  const std::lock_guard lock(mutex_);
  ImapFolder& folder = users_[user].folders[name];
  folder.messages.push_back({folder.uid_next, {}, std::move(bytes), date_ms});
  return folder.uid_next++;
}

void ImapStore::change_uid_validity(const std::string& user, std::uint32_t value,
                                    const std::string& name) {
  const std::lock_guard lock(mutex_);
  ImapFolder& folder = users_[user].folders[name];
  folder.uid_validity = value;
  folder.uid_next = 1;
  for (ImapMessage& message : folder.messages) message.uid = folder.uid_next++;
}

std::optional<ImapFolder> ImapStore::folder(const std::string& user,
                                            const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto at = users_.find(user);
  if (at == users_.end() || at->second.folders.count(name) == 0) return std::nullopt;
  return at->second.folders.at(name);
}

ImapSession::ImapSession(ImapStore& store, bool offers_tls, bool in_tls)
    : store_(store), offers_tls_(offers_tls), in_tls_(in_tls) {}

std::string ImapSession::capability() const {
  std::string out = "CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS MOVE IDLE SASL-IR";
  if (offers_tls_ && !in_tls_) out += " STARTTLS";
  return out + " AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2";
}

std::string ImapSession::greeting() { return "* OK [" + capability() + "] ready\r\n"; }

std::string ImapSession::receive(std::string_view bytes) {
  buffer_ += bytes;
  std::string answers;
  while (next == Next::read) {
    if (literal_ > 0) {
      const std::size_t taken = std::min(literal_, buffer_.size());
      pending_ += buffer_.substr(0, taken);
      buffer_.erase(0, taken);
      literal_ -= taken;
      if (literal_ > 0) return answers;
    }
    const std::size_t end = buffer_.find("\r\n");
    if (end == std::string::npos) break;
    std::string text = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    // A line that ends with {n} goes on behind n octets; without '+' the client waits to be asked.
    const std::size_t open = text.rfind('{');
    if (auth_tag_.empty() && idle_tag_.empty() && !text.empty() && text.back() == '}' &&
        open != std::string::npos) {
      std::string_view digits = std::string_view(text).substr(open + 1, text.size() - open - 2);
      const bool waits = digits.empty() || digits.back() != '+';
      if (!waits) digits.remove_suffix(1);
      if (const auto size = number(digits); size && *size <= kLiteralBytes) {
        pending_ += text + "\r\n";
        literal_ = *size;
        if (waits) answers += "+ Ready for literal data\r\n";
        continue;
      }
      pending_.clear();
      answers += text.substr(0, text.find(' ')) + " BAD literal too large\r\n";
      continue;
    }
    text.insert(0, std::exchange(pending_, {}));
    const std::lock_guard lock(store_.mutex_);
    answers += command(text);
  }
  if (next != Next::read) buffer_.clear();
  if (buffer_.size() > kLineBytes && literal_ == 0) {
    next = Next::close;
    answers += "* BYE line too long\r\n";
  }
  return answers;
}

std::string ImapSession::command(const std::string& text) {
  if (!idle_tag_.empty()) {
    const std::string tag = std::exchange(idle_tag_, {});
    return sdk::equals_ignoring_case(text, "DONE") ? changes() + tag + " OK IDLE terminated\r\n"
                                                   : tag + " BAD expected DONE\r\n";
  }
  if (!auth_tag_.empty()) {
    const std::string tag = std::exchange(auth_tag_, {});
    if (text == "*") return tag + " BAD AUTHENTICATE cancelled\r\n";
    const std::string decoded = sdk::from_base64(text).value_or("");
    if (auth_mechanism_ == "LOGIN" && auth_user_.empty()) {
      auth_user_ = decoded;
      auth_tag_ = tag;
      return "+ UGFzc3dvcmQ6\r\n";
    }
    if (auth_mechanism_ == "LOGIN") return finish_login(tag, auth_user_, decoded);
    if (auth_mechanism_ == "XOAUTH2") {
      // user=a@b^Aauth=Bearer token^A^A
      const std::size_t user = decoded.find("user=");
      const std::size_t token = decoded.find("auth=Bearer ");
      if (user == std::string::npos || token == std::string::npos) return tag + " BAD response\r\n";
      return finish_login(tag, decoded.substr(user + 5, decoded.find('\x01', user) - user - 5),
                          decoded.substr(token + 12, decoded.find('\x01', token) - token - 12));
    }
    const std::size_t first = decoded.find('\0');
    const std::size_t second = first == std::string::npos ? first : decoded.find('\0', first + 1);
    if (second == std::string::npos) return tag + " BAD response\r\n";
    return finish_login(tag, decoded.substr(first + 1, second - first - 1),
                        decoded.substr(second + 1));
  }
  Arguments arguments{text, 0};
  const std::string tag = arguments.word().value_or("*");
  std::string verb = upper(arguments.word().value_or(""));
  const bool by_uid = verb == "UID";
  if (by_uid) verb = upper(arguments.word().value_or(""));
  if (verb.empty()) return tag + " BAD no command\r\n";
  return dispatch(tag, verb, arguments, by_uid);
}

std::string ImapSession::dispatch(const std::string& tag, const std::string& verb,
                                  Arguments& arguments, bool by_uid) {
  if (verb == "CAPABILITY") return "* " + capability() + "\r\n" + tag + " OK done\r\n";
  if (verb == "NOOP" || verb == "CHECK") return changes() + tag + " OK done\r\n";
  if (verb == "ID") return "* ID NIL\r\n" + tag + " OK done\r\n";
  if (verb == "LOGOUT") {
    next = Next::close;
    return "* BYE logging out\r\n" + tag + " OK done\r\n";
  }
  if (verb == "STARTTLS") {
    if (!offers_tls_ || in_tls_) return tag + " BAD no TLS here\r\n";
    next = Next::start_tls;
    return tag + " OK begin TLS now\r\n";
  }
  if (user_.empty()) {
    if (verb == "LOGIN") {
      const auto user = arguments.word();
      const auto password = arguments.word();
      if (!user || !password) return tag + " BAD LOGIN needs user and password\r\n";
      return finish_login(tag, *user, *password);
    }
    if (verb == "AUTHENTICATE") return authenticate(tag, arguments);
    return tag + " BAD not authenticated\r\n";
  }
  if (verb == "SELECT") return select(tag, arguments, false);
  if (verb == "EXAMINE") return select(tag, arguments, true);
  if (verb == "STATUS") return status(tag, arguments);
  if (verb == "LIST" || verb == "LSUB") return list(tag, arguments);
  if (verb == "APPEND") return append(tag, arguments);
  if (verb == "CREATE") {
    const auto name = arguments.word();
    if (!name) return tag + " BAD CREATE needs a name\r\n";
    store_.users_[user_].folders[folder_name(*name)];
    return tag + " OK done\r\n";
  }
  if (verb == "IDLE") {
    idle_tag_ = tag;
    return "+ idling\r\n";
  }
  if (folder() == nullptr) return tag + " BAD no mailbox selected, or no such command\r\n";
  if (verb == "SEARCH") return search(tag, arguments, by_uid);
  if (verb == "FETCH") return fetch(tag, arguments, by_uid);
  if (verb == "STORE") return store(tag, arguments, by_uid);
  if (verb == "COPY") return copy(tag, arguments, by_uid, false);
  if (verb == "MOVE") return copy(tag, arguments, by_uid, true);
  if (verb == "EXPUNGE") return expunge(tag, by_uid ? arguments.word().value_or("") : "");
  if (verb == "CLOSE" || verb == "UNSELECT") {
    if (verb == "CLOSE" && !read_only_) expunge(tag, "");
    selected_.clear();
    return tag + " OK done\r\n";
  }
  return tag + " BAD unknown command\r\n";
}

std::string ImapSession::authenticate(const std::string& tag, Arguments& arguments) {
  auth_mechanism_ = upper(arguments.word().value_or(""));
  auth_user_.clear();
  if (auth_mechanism_ != "PLAIN" && auth_mechanism_ != "LOGIN" && auth_mechanism_ != "XOAUTH2") {
    return tag + " NO unsupported mechanism\r\n";
  }
  auth_tag_ = tag;
  const auto initial = arguments.word();
  if (!initial) return auth_mechanism_ == "LOGIN" ? "+ VXNlcm5hbWU6\r\n" : "+ \r\n";
  return command(*initial);
}

std::string ImapSession::finish_login(const std::string& tag, const std::string& user,
                                      const std::string& password) {
  const auto known = store_.users_.find(user);
  if (known == store_.users_.end() || !sdk::equal_secret(known->second.password, password)) {
    return tag + " NO [AUTHENTICATIONFAILED] Invalid credentials\r\n";
  }
  user_ = user;
  return tag + " OK [" + capability() + "] Logged in\r\n";
}

ImapFolder* ImapSession::folder() {
  if (user_.empty() || selected_.empty()) return nullptr;
  auto& folders = store_.users_[user_].folders;
  const auto at = folders.find(selected_);
  return at == folders.end() ? nullptr : &at->second;
}

// New messages since the client last heard of any.
std::string ImapSession::changes() {
  const ImapFolder* const at = folder();
  if (at == nullptr || at->messages.size() == known_) return {};
  known_ = at->messages.size();
  return "* " + std::to_string(known_) + " EXISTS\r\n";
}

std::string ImapSession::select(const std::string& tag, Arguments& arguments, bool read_only) {
  const auto name = arguments.word();
  auto& folders = store_.users_[user_].folders;
  selected_.clear();
  if (!name || folders.count(folder_name(*name)) == 0) {
    return tag + " NO [NONEXISTENT] Unknown mailbox\r\n";
  }
  selected_ = folder_name(*name);
  read_only_ = read_only;
  const ImapFolder& at = folders.at(selected_);
  known_ = at.messages.size();
  std::string out =
      "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* OK [PERMANENTFLAGS "
      "(\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted.\r\n* " +
      std::to_string(known_) + " EXISTS\r\n* 0 RECENT\r\n";
  const auto unseen = std::find_if(at.messages.begin(), at.messages.end(),
                                   [](const ImapMessage& m) { return !has(m, "\\Seen"); });
  if (unseen != at.messages.end()) {
    out +=
        "* OK [UNSEEN " + std::to_string(unseen - at.messages.begin() + 1) + "] First unseen.\r\n";
  }
  return out + "* OK [UIDVALIDITY " + std::to_string(at.uid_validity) +
         "] UIDs valid\r\n* OK [UIDNEXT " + std::to_string(at.uid_next) +
         "] Predicted next UID\r\n" + tag +
         (read_only ? " OK [READ-ONLY] done\r\n" : " OK [READ-WRITE] done\r\n");
}

std::string ImapSession::status(const std::string& tag, Arguments& arguments) {
  const auto name = arguments.word();
  auto& folders = store_.users_[user_].folders;
  if (!name || folders.count(folder_name(*name)) == 0) {
    return tag + " NO [NONEXISTENT] Unknown mailbox\r\n";
  }
  if (!arguments.list_begins()) return tag + " BAD STATUS needs a list\r\n";
  const ImapFolder& at = folders.at(folder_name(*name));
  std::string items;
  while (const auto item = arguments.word()) {
    const std::string wanted = upper(*item);
    std::size_t value = 0;
    if (wanted == "MESSAGES") value = at.messages.size();
    if (wanted == "UIDNEXT") value = at.uid_next;
    if (wanted == "UIDVALIDITY") value = at.uid_validity;
    if (wanted == "UNSEEN") {
      value = static_cast<std::size_t>(
          std::count_if(at.messages.begin(), at.messages.end(),
                        [](const ImapMessage& m) { return !has(m, "\\Seen"); }));
    }
    items += (items.empty() ? "" : " ") + wanted + " " + std::to_string(value);
  }
  return "* STATUS " + quoted(*name) + " (" + items + ")\r\n" + tag + " OK done\r\n";
}

std::string ImapSession::list(const std::string& tag, Arguments& arguments) {
  const auto reference = arguments.word();
  const auto pattern = arguments.word();
  if (!reference || !pattern) return tag + " BAD LIST needs two words\r\n";
  std::string out;
  for (const auto& [name, at] : store_.users_[user_].folders) {
    if (*pattern == "*" || *pattern == "%" || folder_name(*pattern) == name) {
      out += "* LIST (\\HasNoChildren) \"/\" " + quoted(name) + "\r\n";
    }
  }
  return out + tag + " OK done\r\n";
}

std::string ImapSession::append(const std::string& tag, Arguments& arguments) {
  const auto name = arguments.word();
  if (!name) return tag + " BAD APPEND needs a mailbox\r\n";
  auto& folders = store_.users_[user_].folders;
  const auto at = folders.find(folder_name(*name));
  if (at == folders.end()) return tag + " NO [TRYCREATE] Unknown mailbox\r\n";
  ImapMessage message;
  if (arguments.list_begins()) {
    while (const auto flag = arguments.word()) message.flags.insert(*flag);
    arguments.list_ends();
  }
  auto last = arguments.word();
  if (const auto more = arguments.word()) last = more;  // a date stood before it
  if (!last) return tag + " BAD APPEND needs a message\r\n";
  message.bytes = *last;
  message.uid = at->second.uid_next++;
  message.date_ms = static_cast<std::int64_t>(std::time(nullptr)) * 1'000;
  const std::string code = "[APPENDUID " + std::to_string(at->second.uid_validity) + " " +
                           std::to_string(message.uid) + "]";
  at->second.messages.push_back(std::move(message));
  return changes() + tag + " OK " + code + " done\r\n";
}

std::optional<std::vector<std::size_t>> ImapSession::places(std::string_view set, bool by_uid) {
  const auto& messages = folder()->messages;
  const std::uint32_t top = messages.empty() ? 0
                            : by_uid         ? messages.back().uid
                                             : static_cast<std::uint32_t>(messages.size());
  std::vector<std::size_t> out;
  while (!set.empty()) {
    const std::string_view part = set.substr(0, set.find(','));
    set.remove_prefix(std::min(set.size(), part.size() + 1));
    const std::size_t colon = part.find(':');
    const auto bound = [&](std::string_view text) -> std::optional<std::uint32_t> {
      return text == "*" ? std::optional(top) : number(text);
    };
    const auto low = bound(part.substr(0, colon));
    const auto high = colon == std::string_view::npos ? low : bound(part.substr(colon + 1));
    if (!low || !high) return std::nullopt;
    // A range may be written the wrong way round: "9:*" of a mailbox that ends at 5 is 5:9.
    const auto [first, last] = std::minmax(*low, *high);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const std::uint32_t id = by_uid ? messages[i].uid : static_cast<std::uint32_t>(i + 1);
      if (id >= first && id <= last && std::find(out.begin(), out.end(), i) == out.end()) {
        out.push_back(i);
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string ImapSession::search(const std::string& tag, Arguments& arguments, bool by_uid) {
  const auto& messages = folder()->messages;
  std::vector<bool> kept(messages.size(), true);
  const auto keep = [&](auto&& holds) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (kept[i] && !holds(messages[i])) kept[i] = false;
    }
  };
  bool negated = false;
  std::size_t keys = 0;
  while (const auto word = arguments.word()) {
    if (++keys > kDepth) return tag + " BAD too many keys\r\n";
    const std::string key = upper(*word);
    if (key == "CHARSET") {
      arguments.word();
      continue;
    }
    if (key == "NOT") {
      negated = true;
      continue;
    }
    const bool wanted = !std::exchange(negated, false);
    const auto flagged = [&](std::string_view flag, bool set) {
      keep([&](const ImapMessage& m) { return (has(m, flag) == set) == wanted; });
    };
    if (key == "ALL") continue;
    if (key == "SEEN" || key == "UNSEEN") {
      flagged("\\Seen", key == "SEEN");
    } else if (key == "DELETED" || key == "UNDELETED") {
      flagged("\\Deleted", key == "DELETED");
    } else if (key == "ANSWERED" || key == "UNANSWERED") {
      flagged("\\Answered", key == "ANSWERED");
    } else if (key == "FLAGGED" || key == "UNFLAGGED") {
      flagged("\\Flagged", key == "FLAGGED");
    } else if (key == "KEYWORD" || key == "UNKEYWORD") {
      flagged(arguments.word().value_or(""), key == "KEYWORD");
    } else if (key == "SINCE" || key == "BEFORE" || key == "ON") {
      const auto day = day_of(arguments.word().value_or(""));
      if (!day) return tag + " BAD a date is due\r\n";
      keep([&](const ImapMessage& m) {
        const std::int64_t own = m.date_ms / 86'400'000;
        return (key == "SINCE"    ? own >= *day
                : key == "BEFORE" ? own < *day
                                  : own == *day) == wanted;
      });
    } else if (key == "HEADER") {
      const auto name = arguments.word();
      const auto value = arguments.word();
      if (!name || !value) return tag + " BAD a header and a text are due\r\n";
      keep([&](const ImapMessage& m) {
        const std::string found = sdk::lower_ascii(read_mail(m.bytes).header(*name));
        return (!found.empty() && found.find(sdk::lower_ascii(*value)) != std::string::npos) ==
               wanted;
      });
    } else if (key == "UID") {
      const auto chosen = places(arguments.word().value_or(""), true);
      if (!chosen) return tag + " BAD a set is due\r\n";
      for (std::size_t i = 0; i < messages.size(); ++i) {
        const bool in = std::find(chosen->begin(), chosen->end(), i) != chosen->end();
        if (in != wanted) kept[i] = false;
      }
    } else if (const auto chosen = places(key, false)) {
      for (std::size_t i = 0; i < messages.size(); ++i) {
        const bool in = std::find(chosen->begin(), chosen->end(), i) != chosen->end();
        if (in != wanted) kept[i] = false;
      }
    } else {
      return tag + " BAD unknown search key\r\n";
    }
  }
  std::string out = "* SEARCH";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (kept[i]) out += " " + std::to_string(by_uid ? messages[i].uid : i + 1);
  }
  return out + "\r\n" + tag + " OK done\r\n";
}

std::string ImapSession::fetch(const std::string& tag, Arguments& arguments, bool by_uid) {
  const auto chosen = places(arguments.word().value_or(""), by_uid);
  if (!chosen) return tag + " BAD a set is due\r\n";
  std::vector<std::string> items;
  const bool several = arguments.list_begins();
  while (const auto item = arguments.word()) {
    items.push_back(*item);
    if (!several) break;
  }
  if (items.empty()) return tag + " BAD something to fetch is due\r\n";
  if (upper(items.front()) == "ALL" || upper(items.front()) == "FAST") {
    items = {"FLAGS", "INTERNALDATE", "RFC822.SIZE"};
  }
  const bool asks_uid = std::any_of(items.begin(), items.end(),
                                    [](const std::string& item) { return upper(item) == "UID"; });
  if (by_uid && !asks_uid) items.insert(items.begin(), "UID");
  std::string out;
  for (const std::size_t place : *chosen) {
    ImapMessage& message = folder()->messages[place];
    const std::string_view bytes = message.bytes;
    std::string data;
    bool seen = false;
    for (const std::string& item : items) {
      const std::string wanted = upper(item);
      std::string value;
      std::string name = wanted;
      if (wanted == "UID") {
        value = std::to_string(message.uid);
      } else if (wanted == "FLAGS") {
        value = flags_text(message.flags);
      } else if (wanted == "RFC822.SIZE") {
        value = std::to_string(bytes.size());
      } else if (wanted == "INTERNALDATE") {
        value = quoted(internal_date(message.date_ms));
      } else if (wanted == "RFC822") {
        value = literal(bytes);
        seen = true;
      } else if (wanted == "RFC822.HEADER") {
        value = literal(bytes.substr(0, header_end(bytes)));
      } else if (wanted.rfind("BODY[", 0) == 0 || wanted.rfind("BODY.PEEK[", 0) == 0) {
        const std::size_t open = wanted.find('[');
        const std::size_t close = wanted.rfind(']');
        if (close == std::string::npos) return tag + " BAD a section is due\r\n";
        const std::string section = wanted.substr(open + 1, close - open - 1);
        std::string part;
        if (section.empty()) {
          part = bytes;
        } else if (section == "HEADER") {
          part = bytes.substr(0, header_end(bytes));
        } else if (section == "TEXT") {
          part = bytes.substr(header_end(bytes));
        } else if (section.rfind("HEADER.FIELDS", 0) == 0) {
          const bool without = section.rfind("HEADER.FIELDS.NOT", 0) == 0;
          const std::size_t list = section.find('(');
          Arguments names{list == std::string::npos ? "" : section.substr(list), 0};
          names.list_begins();
          std::vector<std::string> fields;
          while (const auto field = names.word()) fields.push_back(*field);
          part = header_fields(bytes, fields, without);
        } else {
          return tag + " BAD this section is not served\r\n";
        }
        // <begin.count>
        if (const std::size_t angle = item.find('<', item.rfind(']')); angle != std::string::npos) {
          const std::string_view range = std::string_view(item).substr(angle + 1);
          const std::size_t dot = range.find('.');
          const auto begin = number(range.substr(0, dot));
          const auto count = dot == std::string_view::npos
                                 ? std::nullopt
                                 : number(range.substr(dot + 1, range.find('>') - dot - 1));
          if (!begin || !count) return tag + " BAD a range is due\r\n";
          part = *begin >= part.size() ? std::string() : part.substr(*begin, *count);
          name = "BODY[" + section + "]<" + std::to_string(*begin) + ">";
        } else {
          name = "BODY[" + section + "]";
        }
        value = literal(part);
        seen |= wanted.rfind("BODY[", 0) == 0;
      } else {
        return tag + " BAD unknown item " + wanted + "\r\n";
      }
      data += (data.empty() ? "" : " ") + name + " " + value;
    }
    if (seen && !read_only_ && message.flags.insert("\\Seen").second) {
      data += " FLAGS " + flags_text(message.flags);
    }
    out += "* " + std::to_string(place + 1) + " FETCH (" + data + ")\r\n";
  }
  return out + tag + " OK done\r\n";
}

std::string ImapSession::store(const std::string& tag, Arguments& arguments, bool by_uid) {
  if (read_only_) return tag + " NO [READ-ONLY] the mailbox is read-only\r\n";
  const auto chosen = places(arguments.word().value_or(""), by_uid);
  std::string how = upper(arguments.word().value_or(""));
  if (!chosen || how.find("FLAGS") == std::string::npos) return tag + " BAD STORE\r\n";
  const bool silent = how.find(".SILENT") != std::string::npos;
  std::set<std::string> flags;
  arguments.list_begins();
  while (const auto flag = arguments.word()) flags.insert(*flag);
  std::string out;
  for (const std::size_t place : *chosen) {
    ImapMessage& message = folder()->messages[place];
    if (how.front() == 'F') message.flags.clear();
    for (const std::string& flag : flags) {
      for (auto own = message.flags.begin(); own != message.flags.end();) {
        own = sdk::equals_ignoring_case(*own, flag) ? message.flags.erase(own) : std::next(own);
      }
      if (how.front() != '-') message.flags.insert(flag);
    }
    if (silent) continue;
    out += "* " + std::to_string(place + 1) + " FETCH (" +
           (by_uid ? "UID " + std::to_string(message.uid) + " " : "") + "FLAGS " +
           flags_text(message.flags) + ")\r\n";
  }
  return out + tag + " OK done\r\n";
}

std::string ImapSession::copy(const std::string& tag, Arguments& arguments, bool by_uid,
                              bool move) {
  if (move && read_only_) return tag + " NO [READ-ONLY] the mailbox is read-only\r\n";
  const auto chosen = places(arguments.word().value_or(""), by_uid);
  const auto name = arguments.word();
  auto& folders = store_.users_[user_].folders;
  if (!chosen || !name) return tag + " BAD a set and a mailbox are due\r\n";
  const auto target = folders.find(folder_name(*name));
  if (target == folders.end()) return tag + " NO [TRYCREATE] Unknown mailbox\r\n";
  for (const std::size_t place : *chosen) {
    ImapMessage one = folder()->messages[place];
    if (move) folder()->messages[place].flags.insert("\\Deleted");
    one.uid = target->second.uid_next++;
    target->second.messages.push_back(std::move(one));
  }
  if (!move) return tag + " OK done\r\n";
  std::string uids;
  for (const std::size_t place : *chosen) {
    uids += (uids.empty() ? "" : ",") + std::to_string(folder()->messages[place].uid);
  }
  return uids.empty() ? tag + " OK done\r\n" : expunge(tag, uids);
}

// Of all that are marked as deleted, or of those among them that have these uids.
std::string ImapSession::expunge(const std::string& tag, const std::string& uids) {
  if (read_only_) return tag + " NO [READ-ONLY] the mailbox is read-only\r\n";
  auto& messages = folder()->messages;
  const auto among = uids.empty() ? std::nullopt : places(uids, true);
  std::set<std::uint32_t> chosen;
  if (among) {
    for (const std::size_t place : *among) chosen.insert(messages[place].uid);
  }
  std::string out;
  for (std::size_t i = 0; i < messages.size();) {
    if (!has(messages[i], "\\Deleted") || (among && chosen.count(messages[i].uid) == 0)) {
      ++i;
      continue;
    }
    out += "* " + std::to_string(i + 1) + " EXPUNGE\r\n";
    messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(i));
  }
  known_ = messages.size();
  return out + tag + " OK done\r\n";
}

}  // namespace gateway::simulate
