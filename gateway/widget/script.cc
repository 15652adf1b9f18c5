#include "gateway/widget/script.h"

#include <cstddef>

#include "gateway/base/embedded.h"

namespace gateway::widget {

// Written by cmake/embed.cmake.
extern const base::EmbeddedFile kEmbedded[];
extern const std::size_t kEmbeddedCount;

namespace {

std::string_view file(std::string_view name) {
  for (std::size_t i = 0; i < kEmbeddedCount; ++i) {
    if (kEmbedded[i].name == name) return kEmbedded[i].text;
  }
  return {};
}

}  // namespace

const Script& script() {
  static const Script all{file("widget.js"), file("widget.js.gz"), file("widget.js.br"),
                          file("widget.js.etag")};
  return all;
}

}  // namespace gateway::widget
