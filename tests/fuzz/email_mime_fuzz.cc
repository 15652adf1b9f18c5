// Every byte string is a mail: it is read within its bounds, its texts are valid, reading twice
// gives the same, and what is written of it can be read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "connectors/email/compose.h"
#include "connectors/email/mail.h"
#include "connectors/email/mime.h"
#include "connectors/email/understand.h"
#include "connectors/sdk/text.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_text(std::string_view text) {
  require(sdk::is_valid_utf8(text) && text.find('\0') == std::string_view::npos);
}

void check_written(const email::Mail& mail) {
  email::Outgoing outgoing{.from = {"", "a@b.example"}, .to = {{"", "c@d.example"}}};
  outgoing.subject = email::decode_words(email::field(mail.fields, "subject"));
  outgoing.text = mail.text.substr(0, 2000);
  outgoing.message_id = "id@b.example";
  outgoing.references = email::message_ids(email::field(mail.fields, "references"), 20);
  for (const auto& one : mail.attachments) {
    if (outgoing.files.size() == 3) break;
    outgoing.files.push_back({one.file_name, one.mime_type, one.content.substr(0, 2000)});
  }
  const std::string bytes = email::compose(outgoing);
  const email::Mail read = email::read_mail(bytes);
  require(email::field(read.fields, "mime-version") == "1.0");
  require(email::field(read.fields, "bcc").empty());
  require(read.attachments.size() == outgoing.files.size());
  for (std::size_t at = bytes.find('\n'); at != std::string::npos; at = bytes.find('\n', at + 1)) {
    require(at > 0 && bytes[at - 1] == '\r');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const email::MimeMessage message = email::parse(data);
  require(!message.parts.empty() && message.parts.size() <= email::kMaxParts);
  std::size_t total = 0;
  for (std::size_t i = 0; i < message.parts.size(); ++i) {
    require(message.parts[i].parent < static_cast<int>(i));
    total += message.parts[i].body.size();
  }
  require(total <= 2 * size);
  const email::Mail mail = email::read_mail(data);
  check_text(mail.text);
  check_text(mail.reply);
  check_text(mail.html);
  std::size_t number = 0;
  for (const auto& one : mail.attachments) {
    const std::string name = email::safe_file_name(one, ++number);
    require(!name.empty() && name.find_first_of("/\\\n") == std::string::npos);
    check_text(name);
  }
  const connector::Channel channel{.config = {{"address", "support@acme.example"}},
                                   .state = {},
                                   .webhook_url = "https://gw.example.com/h",
                                   .secret = std::string(64, 'a'),
                                   .now_ms = 1795165200000};
  const auto events = email::events_of(channel, mail, {});
  require(!events.empty());
  for (const auto& event : events) require(!event.key.empty());
  // Reading it again costs as much as everything else here, so it is done for some.
  if (size % 8 == 0) {
    require(events == email::events_of(channel, email::read_mail(data), {}));
    check_written(mail);
  }
  return 0;
}
