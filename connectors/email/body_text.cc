#include "connectors/email/body_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "connectors/sdk/text.h"

namespace email {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Gmail writes U+202F in front of AM, others no-break spaces.
std::string plain_blanks(std::string_view text) {
  if (text.find_first_of("\xE2\xC2") == std::string_view::npos) return std::string(sdk::trim(text));
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at).starts_with("\xE2\x80\xAF")) {
      plain += ' ';
      at += 2;
    } else if (text.substr(at).starts_with("\xC2\xA0")) {
      plain += ' ';
      ++at;
    } else {
      plain += text[at];
    }
  }
  return std::string(sdk::trim(plain));
}

constexpr std::size_t kLongestIntroduction = 400;

bool begins_introduction(std::string_view line) {
  constexpr std::array<std::string_view, 13> kBegins{"On ",   "Le ",  "Am ",     "El ", "Il ",
                                                     "Op ",   "Den ", "W dniu ", "Em ", "Dne ",
                                                     "Pada ", "Vào ", "在"};
  return std::any_of(kBegins.begin(), kBegins.end(),
                     [&](std::string_view prefix) { return line.starts_with(prefix); });
}

// "On Friday Ana wrote:" in the languages mail programs speak.
bool introduces_quote(std::string_view line) {
  constexpr std::array<std::string_view, 14> kEnds{"wrote",      "a écrit",
                                                   "schrieb",    "escribió",
                                                   "ha scritto", "schreef",
                                                   "skrev",      "napisał",
                                                   "escreveu",   "写道",
                                                   "napsal",     "menulis",
                                                   "viết",       "het volgende geschreven"};
  if (line.size() > kLongestIntroduction || !begins_introduction(line)) return false;
  if (line.ends_with("：")) {
    line.remove_suffix(3);
  } else if (line.ends_with(':')) {
    line.remove_suffix(1);
  } else {
    return false;
  }
  while (line.ends_with(' ')) line.remove_suffix(1);
  // "Am Freitag schrieb Ana <ana@x.example>:" ends with the name.
  const bool german = line.starts_with("Am ") && line.find(" schrieb ") != std::string_view::npos;
  const auto ends = [&](std::string_view suffix) { return line.ends_with(suffix); };
  return german || std::any_of(kEnds.begin(), kEnds.end(), ends);
}

// How many lines from `at` on introduce a quote, wrapped over up to three; 0 where none does.
std::size_t introduction_at(const std::vector<std::string_view>& lines, std::size_t at) {
  std::string joined;
  for (std::size_t count = 1; count <= 3 && at + count <= lines.size(); ++count) {
    const std::string line = plain_blanks(lines[at + count - 1]);
    if (line.empty() || line.starts_with('>')) return 0;
    if (!joined.empty() && !joined.ends_with('<')) joined += ' ';
    joined += line;
    if (joined.size() > kLongestIntroduction) return 0;
    // The first word may be a line of its own.
    if (count == 1 && !begins_introduction(joined + " ")) return 0;
    if (introduces_quote(joined)) return count;
  }
  return 0;
}

bool begins_with_any(std::string_view line, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return line.starts_with(word); });
}

// "-----Original Message-----", or the block of Outlook: From, Sent, To, Subject.
bool begins_forwarded_block(const std::vector<std::string_view>& lines, std::size_t at) {
  std::string line = plain_blanks(lines[at]);
  if (line.starts_with("-----") && line.ends_with("-----")) {
    const auto words = sdk::lower_ascii(line);
    for (const std::string_view word :
         {"original message", "ursprüngliche nachricht", "message d'origine", "mensaje original",
          "messaggio originale", "mensagem original", "oorspronkelijk bericht", "reply message"}) {
      if (words.find(word) != std::string::npos) return true;
    }
  }
  std::erase(line, '*');
  if (!begins_with_any(line, {"From: ", "Von: ", "De: ", "De : ", "Da: ", "Van: ", "Från: ",
                              "Fra: ", "Od: ", "От: ", "发件人:", "差出人:"})) {
    return false;
  }
  for (std::size_t next = at + 1; next < std::min(at + 4, lines.size()); ++next) {
    std::string other = plain_blanks(lines[next]);
    std::erase(other, '*');
    if (begins_with_any(other, {"Sent: ", "Gesendet: ", "Envoyé", "Enviado",
                                "Inviato: ", "Verzonden: ", "Skickat: ", "Sendt: ", "Wysłano: ",
                                "Отправлено: ", "发送时间:", "送信日時:", "Date: ", "Datum: "})) {
      return true;
    }
  }
  return false;
}

bool is_signature(std::string_view line) { return line == "-- " || line == "--"; }

struct FlowedLine {
  std::size_t depth = 0;
  std::string_view text;
  bool flows = false;
};

// In front of a '>' of the author's own; a quoted line begins with it.
bool is_stuffed(std::string_view line) {
  const auto first = line.find_first_not_of(' ');
  return first != 0 && first != std::string_view::npos && line[first] == '>';
}

FlowedLine flowed_line(std::string_view line) {
  FlowedLine read;
  while (line.starts_with('>')) {
    ++read.depth;
    line.remove_prefix(1);
  }
  if (line.starts_with(' ')) line.remove_prefix(1);
  read.text = line;
  read.flows = line.ends_with(' ') && line != "-- ";
  return read;
}

}  // namespace

std::string with_lf(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') {
      lines += '\n';
      if (at + 1 < text.size() && text[at + 1] == '\n') ++at;
    } else {
      lines += text[at];
    }
  }
  return lines;
}

std::string unflowed(std::string_view text, bool delete_space) {
  std::string joined;
  std::optional<FlowedLine> previous;
  for (const std::string_view line : lines_of(text)) {
    const FlowedLine current = flowed_line(line);
    const bool continues =
        previous && previous->flows && previous->depth == current.depth && current.text != "-- ";
    if (continues) {
      joined.pop_back();
      if (delete_space && joined.ends_with(' ')) joined.pop_back();
    } else if (current.depth > 0) {
      joined.append(current.depth, '>');
      joined += ' ';
    } else if (current.text.starts_with('>') || is_stuffed(current.text)) {
      joined += ' ';
    }
    joined += current.text;
    joined += '\n';
    previous = current;
  }
  return joined;
}

std::string unstuffed(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  bool begins = true;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool blank = begins && text[at] == ' ' && is_stuffed(text.substr(at));
    begins = text[at] == '\n';
    if (!blank) plain += text[at];
  }
  return plain;
}

namespace {

std::string tidy_with(std::string_view text, std::size_t max_empty_lines) {
  std::string clean;
  clean.reserve(text.size());
  std::size_t empty = 0;
  for (std::string_view line : lines_of(text)) {
    const auto last = line.find_last_not_of(" \t\r");
    line = line.substr(0, last == std::string_view::npos ? 0 : last + 1);
    if (line.empty()) {
      ++empty;
      continue;
    }
    if (!clean.empty()) clean.append(1 + std::min(empty, max_empty_lines), '\n');
    empty = 0;
    clean += line;
  }
  return clean;
}

}  // namespace

std::string tidy(std::string_view text) { return tidy_with(text, 2); }

std::string without_quotes(std::string_view text, bool is_unflowed) {
  const auto is_quoted = [&](std::string_view line) {
    return (is_unflowed ? line : sdk::trim(line)).starts_with('>');
  };
  const std::vector<std::string_view> lines = lines_of(text);
  std::string kept;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (is_signature(lines[at]) || begins_forwarded_block(lines, at)) break;
    const std::size_t introduction = introduction_at(lines, at);
    if (introduction > 0) {
      std::size_t next = at + introduction;
      while (next < lines.size() && sdk::trim(lines[next]).empty()) ++next;
      // Without marks nobody can tell where the quoted text ends.
      if (next == lines.size() || !is_quoted(lines[next])) break;
      at = next;
    }
    if (is_quoted(lines[at])) continue;
    kept += lines[at];
    kept += '\n';
  }
  std::string result = tidy_with(kept, 1);
  if (result.empty()) result = tidy(text);
  return is_unflowed ? unstuffed(result) : result;
}

std::string bare_subject(std::string_view subject) {
  constexpr std::array<std::string_view, 18> kPrefixes{
      "re:",  "re :", "aw:",   "sv:",  "vs:",  "fwd:", "fw:", "wg:",   "rif:",
      "ref:", "tr:",  "antw:", "odp:", "ynt:", "enc:", "rv:", "答复:", "回复:"};
  subject = sdk::trim(subject);
  for (bool found = true; found;) {
    found = false;
    const std::string lower = sdk::lower_ascii(subject.substr(0, 16));
    for (const std::string_view prefix : kPrefixes) {
      if (!lower.starts_with(prefix)) continue;
      subject = sdk::trim(subject.substr(prefix.size()));
      found = true;
      break;
    }
    for (const std::string_view prefix : {"答复：", "回复："}) {
      if (!subject.starts_with(prefix)) continue;
      subject = sdk::trim(subject.substr(prefix.size()));
      found = true;
    }
  }
  return std::string(subject);
}

}  // namespace email
