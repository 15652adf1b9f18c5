#include "gateway/simulate/sample_file.h"

namespace gateway::simulate {

std::string sample_file(std::string_view mime_type, std::size_t bytes) {
  std::string out;
  if (mime_type.rfind("image/jpeg", 0) == 0)
    out = "\xFF\xD8\xFF\xE0" + std::string("\0\x10JFIF", 6);
  if (mime_type.rfind("image/png", 0) == 0) out = "\x89PNG\r\n\x1A\n";
  if (mime_type.rfind("image/gif", 0) == 0) out = "GIF89a";
  if (mime_type.rfind("image/webp", 0) == 0) out = std::string("RIFF\x24\0\0\0WEBPVP8 ", 16);
  if (mime_type.rfind("video/mp4", 0) == 0 || mime_type.rfind("audio/mp4", 0) == 0) {
    out = std::string(
        "\0\0\0\x18"
        "ftypmp42",
        12);
  }
  if (mime_type.rfind("audio/ogg", 0) == 0) out = "OggS";
  if (mime_type.rfind("audio/mpeg", 0) == 0) out = "ID3\x04";
  if (mime_type.rfind("audio/amr", 0) == 0) out = "#!AMR\n";
  if (mime_type.rfind("application/pdf", 0) == 0) out = "%PDF-1.7\n";
  // Not zeros: a file cut short or shifted must be another one.
  while (out.size() < bytes) out += static_cast<char>('a' + out.size() % 23);
  return out;
}

}  // namespace gateway::simulate
