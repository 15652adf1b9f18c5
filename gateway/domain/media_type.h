// What a file is, by its bytes: a sender's word for it is believed only where the bytes say
// nothing, because a browser that is told "image/png" of a page would show the page.
//
// Signatures are those of https://mimesniff.spec.whatwg.org (read 2026-11-21) and of the formats'
// own documents. Pure functions, any thread.
#ifndef GATEWAY_DOMAIN_MEDIA_TYPE_H_
#define GATEWAY_DOMAIN_MEDIA_TYPE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace gateway::domain {

// No decision looks further into a file.
inline constexpr std::size_t kSniffedBytes = 4u << 10;
inline constexpr std::string_view kUnknownMediaType = "application/octet-stream";

// "image/png"; empty where the bytes say nothing. Text is "text/plain" unless it begins as markup.
std::string_view sniff_media_type(std::string_view bytes);

// The type to store and to serve. `declared` is what the sender called it, parameters and all; it
// refines a container ("application/zip" to that of a document, "video/mp4" to "audio/mp4") and
// speaks for itself where the bytes say nothing. Never empty, lower case, without parameters.
std::string media_type(std::string_view bytes, std::string_view declared);

// image, video, audio or file: what the API calls an attachment.
std::string_view attachment_type(std::string_view media_type);

// Whether a browser may show it on an address of ours: raster images, audio and video. What could
// bring script or style (SVG, HTML, XML, PDF) never is.
bool is_shown_inline(std::string_view media_type);

// A name for people and for the end of an address: valid UTF-8 without control characters and
// folders, at most 200 bytes. Where `given` has none, "file" or "image.png".
std::string file_name(std::string_view given, std::string_view media_type);

}  // namespace gateway::domain

#endif  // GATEWAY_DOMAIN_MEDIA_TYPE_H_
