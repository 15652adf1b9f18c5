// multipart/form-data (RFC 7578, read 2026-11-21): what browsers, mail providers and upload APIs
// speak. Pure functions, any thread.
//
// The reader is strict where two readers could differ: CRLF line ends, one Content-Disposition with
// one name per part, a closing delimiter. It allocates per part, never by a length that was
// announced, and copies no bodies.
#ifndef CONNECTORS_SDK_MULTIPART_H_
#define CONNECTORS_SDK_MULTIPART_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/expected.h"

namespace sdk {

struct MultipartLimits {
  std::size_t parts = 100;
  std::size_t header_bytes = 8u << 10;  // of one part, all its lines
};

struct MultipartError {
  std::string reason;  // a sentence's end, fit for whoever sent it: "has no closing delimiter"
};

// One field as it was received. `body` lies in the bytes that were parsed.
struct FormPart {
  std::string name;
  std::optional<std::string>
      file_name;             // absent: a field and no file; as sent, perhaps with a path
  std::string content_type;  // empty where the sender gave none
  std::string_view body;
};

// The boundary of a Content-Type header; absent where it is none of multipart/form-data.
std::optional<std::string> multipart_boundary(std::string_view content_type);

// Every part in order. `content_type` is the value of the request's header.
Expected<std::vector<FormPart>, MultipartError> parse_multipart(std::string_view content_type,
                                                                std::string_view body,
                                                                const MultipartLimits& limits = {});

struct MultipartBody {
  std::string content_type;  // with the boundary
  std::string body;
};

// The same parts as a body to be sent. The boundary is made of the parts and occurs in none of
// them; equal parts give equal bytes. Quotes and line ends of names become %22, %0D and %0A;
// backslashes and control characters, which readers take differently, '_'.
MultipartBody encode_multipart(std::span<const FormPart> parts);

}  // namespace sdk

#endif  // CONNECTORS_SDK_MULTIPART_H_
