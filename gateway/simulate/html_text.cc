#include "gateway/simulate/html_text.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

struct Tag {
  std::string_view name;
  std::string_view entity;
};

constexpr std::array<Tag, 15> kTags = {{{"b", "bold"},
                                        {"strong", "bold"},
                                        {"i", "italic"},
                                        {"em", "italic"},
                                        {"u", "underline"},
                                        {"ins", "underline"},
                                        {"s", "strikethrough"},
                                        {"strike", "strikethrough"},
                                        {"del", "strikethrough"},
                                        {"code", "code"},
                                        {"pre", "pre"},
                                        {"a", "text_link"},
                                        {"tg-spoiler", "spoiler"},
                                        {"blockquote", "blockquote"},
                                        {"span", "spoiler"}}};

struct Open {
  std::string name;
  std::string_view entity;
  std::string url;
  std::size_t start = 0;  // in UTF-16 units
  std::size_t at = 0;     // byte offset of the tag
};

std::string attribute(std::string_view tag, std::string_view name) {
  const std::size_t at = tag.find(std::string(name) + "=");
  if (at == std::string_view::npos) return {};
  std::string_view value = tag.substr(at + name.size() + 1);
  if (value.empty()) return {};
  if (value[0] == '"' || value[0] == '\'') {
    return std::string(value.substr(1, value.find(value[0], 1) - 1));
  }
  return std::string(value.substr(0, value.find(' ')));
}

// Appends the character a reference stands for; false where it is none.
bool append_reference(std::string_view html, std::size_t& at, std::string& out) {
  constexpr std::array<std::pair<std::string_view, char>, 4> kNamed = {
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}}};
  for (const auto& [name, character] : kNamed) {
    if (html.substr(at, name.size()) == name) {
      out += character;
      at += name.size();
      return true;
    }
  }
  return false;
}

Error refusal(std::string words) { return fail(Errc::invalid_argument, std::move(words)); }

}  // namespace

Result<FormattedText> parse_html(std::string_view html) {
  FormattedText out;
  std::vector<Open> open;
  sdk::json::Writer entities;
  entities.array();
  bool any = false;
  for (std::size_t at = 0; at < html.size();) {
    if (html[at] == '&' && append_reference(html, at, out.text)) continue;
    if (html[at] != '<') {
      out.text += html[at++];
      continue;
    }
    const std::size_t close = html.find('>', at);
    if (close == std::string_view::npos) {
      return refusal("Unclosed start tag at byte offset " + std::to_string(at));
    }
    const std::string_view tag = html.substr(at + 1, close - at - 1);
    if (!tag.empty() && tag[0] == '/') {
      const std::string name = sdk::lower_ascii(sdk::trim(tag.substr(1)));
      if (open.empty()) {
        return refusal("Unexpected end tag at byte offset " + std::to_string(at));
      }
      if (!name.empty() && name != open.back().name) {
        return refusal("Unmatched end tag at byte offset " + std::to_string(at) +
                       ", expected \"</" + open.back().name + ">\", found \"</" + name + ">\"");
      }
      const std::size_t length = sdk::utf16_length(out.text) - open.back().start;
      if (length > 0) {
        entities.object().member("offset", open.back().start).member("length", length);
        entities.member("type", open.back().entity);
        if (!open.back().url.empty()) entities.member("url", open.back().url);
        entities.end();
        any = true;
      }
      open.pop_back();
    } else {
      const std::string name = sdk::lower_ascii(tag.substr(0, tag.find_first_of(" \t\n")));
      const Tag* known = nullptr;
      for (const Tag& candidate : kTags) {
        if (candidate.name == name) known = &candidate;
      }
      if (known == nullptr) {
        return refusal("Unsupported start tag \"" + name + "\" at byte offset " +
                       std::to_string(at));
      }
      open.push_back(
          {name, known->entity, attribute(tag, "href"), sdk::utf16_length(out.text), at});
    }
    at = close + 1;
  }
  if (!open.empty()) {
    return refusal("Can't find end tag corresponding to start tag \"" + open.back().name + "\"");
  }
  if (any) out.entities = entities.end().take();
  return out;
}

}  // namespace gateway::simulate
