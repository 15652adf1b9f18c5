#include "tests/http/framing_vectors.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace probe {

namespace {

Verdict parse_verdict(std::string_view word) {
  if (word == "ok") return Verdict::ok;
  if (word == "close") return Verdict::close;
  if (word == "refuse") return Verdict::refuse;
  if (word == "either") return Verdict::either;
  throw std::runtime_error("unknown verdict " + std::string(word));
}

// Reads up to the end, or to the brace that closes a repetition.
std::string unescape(std::string_view& text) {
  std::string bytes;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '}') return bytes;
    if (c == '\\') {
      const char code = text.at(0);
      text.remove_prefix(1);
      if (code == 'r') {
        bytes += '\r';
      } else if (code == 'n') {
        bytes += '\n';
      } else if (code == 'x') {
        bytes += static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16));
        text.remove_prefix(2);
      } else {
        bytes += code;
      }
    } else if (c == '{') {
      const auto star = text.find('*');
      const int times = std::stoi(std::string(text.substr(0, star)));
      text.remove_prefix(star + 1);
      const std::string unit = unescape(text);
      for (int i = 0; i < times; ++i) bytes += unit;
    } else {
      bytes += c;
    }
  }
  return bytes;
}

}  // namespace

std::vector<Vector> load_vectors(const std::string& file) {
  std::ifstream in(file);
  std::vector<Vector> vectors;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto first = line.find('\t');
    const auto second = line.find('\t', first + 1);
    if (second == line.npos) throw std::runtime_error("malformed vector: " + line);
    Vector vector;
    vector.verdict = parse_verdict(std::string_view(line).substr(0, first));
    vector.name = line.substr(first + 1, second - first - 1);
    std::string_view escaped = std::string_view(line).substr(second + 1);
    vector.bytes = unescape(escaped);
    if (vector.name == "get, two in one segment") vector.requests = 2;
    vectors.push_back(std::move(vector));
  }
  if (vectors.size() < 200) throw std::runtime_error("too few vectors in " + file);
  return vectors;
}

std::vector<std::size_t> cut_positions(std::size_t size) {
  const std::size_t step = size <= 400 ? 1 : std::max<std::size_t>(1, size / 200);
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < size; i += step) cuts.push_back(i);
  return cuts;
}

}  // namespace probe
