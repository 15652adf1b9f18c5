// What mail servers say, and what callers want to say to them: bounded, and never more than a line.
// The first byte is the number of recipients; the rest is the server's lines, and a caller's text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "connectors/sdk/text.h"
#include "gateway/outbound/mail_dialog.h"

namespace {

using namespace gateway::outbound;

void require(bool holds) {
  if (!holds) std::abort();
}

void hear(std::string_view text, std::size_t recipients) {
  constexpr std::size_t kBytes = 4'096;
  SmtpDialog smtp(recipients, kBytes);
  ImapDialog imap(kBytes);
  bool begun = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
    text.remove_prefix(line.size());
    if (!begun && line.starts_with("begin")) {
      smtp.begin();
      begun = true;
    }
    if (!smtp.line(line)) break;
    if (!imap.line(line)) break;
    require(smtp.lines().size() <= kBytes);
    require(smtp.code() >= 0 && smtp.code() <= 999);
    require(smtp.recipients().size() <= recipients);
    for (const auto& reply : smtp.recipients()) require(sdk::is_valid_utf8(reply));
    require(!smtp.refused() || smtp.code() >= 400);
    require(sdk::is_valid_utf8(imap.refusal()));
    require(imap.refusal().empty() || !imap.refusal().starts_with("* "));
  }
}

void say(const std::string& text) {
  const auto smtp = read_smtp_params({{"mail-from", text}, {"rcpt-to", text}});
  if (smtp) {
    for (const auto& address : smtp->rcpt_to) {
      require(address.find_first_of("\r\n<> ") == std::string::npos);
      require(address.find('\0') == std::string::npos);
    }
  }
  const auto imap = read_imap_params({{"username", text}, {"password", text}});
  if (imap) require(imap->password.find_first_of("\r\n") == std::string::npos);
  if (check_imap_command(text)) require(text.find_first_of("\r\n") == std::string::npos);

  const std::string body = with_crlf(text);
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') require(i > 0 && body[i - 1] == '\r');
    if (body[i] == '\r') require(i + 1 < body.size() && body[i + 1] == '\n');
  }
  require(with_crlf(body) == body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  hear(text, bytes[0] % 5);
  say(std::string(text));
  return 0;
}
