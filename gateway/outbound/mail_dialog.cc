#include "gateway/outbound/mail_dialog.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "connectors/sdk/text.h"

namespace gateway::outbound {
namespace {

constexpr std::size_t kMaxAddressBytes = 512;
constexpr std::size_t kMaxCommandBytes = 4u << 10;
constexpr std::size_t kMaxReplyBytes = 512;  // what is kept of one reply's text

Error refuse(const char* why) { return fail(Errc::invalid_argument, why); }

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// libcurl writes an address between angle brackets as it is.
bool is_address(std::string_view text) {
  return text.size() <= kMaxAddressBytes && !has_control(text) &&
         text.find_first_of("<> ") == std::string_view::npos;
}

Result<> take_once(std::string& to, const std::string& value) {
  if (!to.empty()) return refuse("a parameter of the mail call is there twice");
  if (value.empty() || has_control(value)) return refuse("a credential is empty or no line");
  to = value;
  return {};
}

// The parameters SMTP and IMAP share. Absent: the name is none of them.
std::optional<Result<>> take_common(MailParams& params, const std::string& name,
                                    const std::string& value) {
  if (name == "username") return take_once(params.username, value);
  if (name == "password") return take_once(params.password, value);
  if (name == "bearer") return take_once(params.bearer, value);
  if (name == "tls") {
    if (value != "none") return refuse("the parameter tls can only be none");
    params.clear_text = true;
    return Result<>();
  }
  return std::nullopt;
}

Result<> check_credentials(const MailParams& params) {
  if (!params.password.empty() && !params.bearer.empty()) {
    return refuse("the mail call has a password and a bearer token");
  }
  const bool has_proof = !params.password.empty() || !params.bearer.empty();
  if (has_proof != !params.username.empty()) {
    return refuse("the mail call has half of its credentials");
  }
  return {};
}

std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

std::string first_word(std::string_view text) {
  std::string word(text.substr(0, text.find(' ')));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return word;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// "... {34}" or "... {34+}": a literal of so many bytes follows.
bool ends_with_literal(std::string_view line) {
  if (line.empty() || line.back() != '}') return false;
  line.remove_suffix(1);
  if (!line.empty() && line.back() == '+') line.remove_suffix(1);
  const auto open = line.rfind('{');
  if (open == std::string_view::npos || open + 1 == line.size()) return false;
  line.remove_prefix(open + 1);
  return std::all_of(line.begin(), line.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<MailParams> read_smtp_params(const connector::Pairs& headers) {
  MailParams params;
  bool has_sender = false;
  for (const auto& [given, value] : headers) {
    const std::string name = sdk::lower_ascii(given);
    if (name == "mail-from" || name == "rcpt-to") {
      if (!is_address(value)) return refuse("an address would say more than an address");
    }
    if (name == "mail-from") {
      if (std::exchange(has_sender, true)) return refuse("the mail call has two senders");
      params.mail_from = value;  // empty: the null reverse-path, RFC 5321 4.5.5
    } else if (name == "rcpt-to") {
      if (value.empty()) return refuse("a recipient is empty");
      params.rcpt_to.push_back(value);
    } else if (auto taken = take_common(params, name, value); !taken) {
      return refuse("the mail call has a header that is no parameter");
    } else if (!*taken) {
      return std::move(*taken).error();
    }
  }
  if (has_sender != !params.rcpt_to.empty()) {
    return refuse("the mail call has a sender or recipients, but not both");
  }
  if (auto checked = check_credentials(params); !checked) return std::move(checked).error();
  return params;
}

Result<MailParams> read_imap_params(const connector::Pairs& headers) {
  MailParams params;
  for (const auto& [given, value] : headers) {
    auto taken = take_common(params, sdk::lower_ascii(given), value);
    if (!taken) return refuse("the mail call has a header that is no parameter");
    if (!*taken) return std::move(*taken).error();
  }
  if (auto checked = check_credentials(params); !checked) return std::move(checked).error();
  return params;
}

Result<> check_imap_command(std::string_view command) {
  if (command.empty() || command.front() == ' ' || command.size() > kMaxCommandBytes) {
    return refuse("the IMAP command is empty or too long");
  }
  if (has_control(command)) return refuse("the IMAP command is more than a line");
  if (ends_with_literal(command)) return refuse("the IMAP command has a literal");
  if (is_one_of(first_word(command), {"LOGIN", "AUTHENTICATE", "STARTTLS", "LOGOUT", "COMPRESS",
                                      "ENABLE", "IDLE", "DONE", "APPEND"})) {
    return refuse("the IMAP command is the client's own");
  }
  return {};
}

bool selects_mailbox(std::string_view command) {
  return is_one_of(first_word(command), {"SELECT", "EXAMINE", "CLOSE", "UNSELECT"});
}

std::string with_crlf(std::string text) {
  const auto is_bare = [&](std::size_t at) {
    if (text[at] == '\n') return at == 0 || text[at - 1] != '\r';
    return text[at] == '\r' && (at + 1 == text.size() || text[at + 1] != '\n');
  };
  std::size_t bare = 0;
  for (std::size_t i = 0; i < text.size(); ++i) bare += is_bare(i) ? 1 : 0;
  if (bare == 0) return text;
  std::string out;
  out.reserve(text.size() + bare);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_bare(i)) {
      out += "\r\n";
    } else {
      out += text[i];
    }
  }
  return out;
}

void SmtpDialog::begin() {
  begun_ = true;
  one_accepted_ = false;
  replies_ = 0;
  code_ = 0;
  lines_.clear();
  recipient_replies_.clear();
}

bool SmtpDialog::line(std::string_view whole) {
  if (refused() || concluded()) return true;  // what is said to QUIT
  const std::string_view text = without_line_end(whole);
  if (lines_.size() + text.size() + 1 > bytes_) return false;
  lines_.append(text).push_back('\n');
  const auto is_digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() < 3 || !is_digit(0) || !is_digit(1) || !is_digit(2)) return true;
  if (text.size() > 3 && text[3] != ' ') return true;  // "250-": more of this reply follows
  code_ = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  if (!begun_) return true;
  ++replies_;
  if (replies_ > 1 && replies_ <= recipients_ + 1) {
    recipient_replies_.push_back(sdk::sanitize(text, kMaxReplyBytes));
    one_accepted_ = one_accepted_ || code_ / 100 == 2;
  }
  return true;
}

bool SmtpDialog::refused() const {
  if (!begun_ || replies_ == 0 || code_ < 400) return false;
  const bool is_recipient = replies_ > 1 && replies_ <= recipients_ + 1;
  if (is_recipient) return replies_ == recipients_ + 1 && !one_accepted_;
  return true;
}

bool ImapDialog::line(std::string_view whole) {
  seen_ += whole.size();
  if (seen_ > bytes_) return false;
  const std::string_view text = without_line_end(whole);
  has_literal_ = has_literal_ || ends_with_literal(text);
  // libcurl's tags are a letter and three digits.
  const bool is_tagged =
      text.size() > 5 && text[0] >= 'A' && text[0] <= 'Z' && text[4] == ' ' &&
      std::all_of(text.begin() + 1, text.begin() + 4, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_tagged) return true;
  const std::string_view status = text.substr(5);
  if (is_one_of(first_word(status), {"NO", "BAD"})) {
    refusal_ = sdk::sanitize(status, kMaxReplyBytes);
  }
  return true;
}

bool ImapDialog::unavailable() const { return refusal_.find("[UNAVAILABLE]") != std::string::npos; }

}  // namespace gateway::outbound
