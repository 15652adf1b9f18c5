// Signatures as the formats' documents and https://mimesniff.spec.whatwg.org give them (read
// 2026-11-21).
#include "gateway/domain/media_type.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sdk/text.h"

namespace {

using namespace std::string_literals;
using namespace gateway::domain;

// A box of ISO/IEC 14496-12 with this brand.
std::string box(const std::string& brand) {
  return "\0\0\0\x18"
         "ftyp"s +
         brand + "\0\0\0\0isom"s;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(media_types)

BOOST_AUTO_TEST_CASE(files_are_known_by_their_first_bytes) {
  for (const auto& [bytes, type] : std::vector<std::pair<std::string, std::string>>{
           {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s, "image/png"},
           {"\xff\xd8\xff\xe0\0\x10JFIF"s, "image/jpeg"},
           {"GIF89a\1\0\1\0"s, "image/gif"},
           {"GIF87a\1\0\1\0"s, "image/gif"},
           {"RIFF\x24\0\0\0WEBPVP8 "s, "image/webp"},
           {"BM\x36\0\0\0\0\0\0\0"s, "image/bmp"},
           {"II*\0\x08\0\0\0"s, "image/tiff"},
           {"MM\0*\0\0\0\x08"s, "image/tiff"},
           {box("avif"), "image/avif"},
           {box("heic"), "image/heic"},
           {box("mif1"), "image/heif"},
           {"ID3\x04\0\0\0\0\0\0"s, "audio/mpeg"},
           {"\xff\xfb\x90\x44"s, "audio/mpeg"},
           {"\xff\xf1\x50\x80"s, "audio/aac"},
           {"\xff\xf9\x50\x80"s, "audio/aac"},
           {"OggS\0\2\0\0\0\0OpusHead"s, "audio/ogg"},
           {"RIFF\x24\0\0\0WAVEfmt "s, "audio/wav"},
           {"fLaC\0\0\0\x22"s, "audio/flac"},
           {"#!AMR\n\x3c"s, "audio/amr"},
           {box("M4A "), "audio/mp4"},
           {box("isom"), "video/mp4"},
           {box("mp42"), "video/mp4"},
           {box("qt  "), "video/quicktime"},
           {box("3gp4"), "video/3gpp"},
           {"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm"s, "video/webm"},
           {"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\1\x42\x82\x88matroska"s, "video/x-matroska"},
           {"RIFF\x24\0\0\0AVI LIST"s, "video/x-msvideo"},
           {"%PDF-1.7\n"s, "application/pdf"},
           {"PK\3\4\x14\0"s, "application/zip"},
           {"\x1f\x8b\x08\0"s, "application/gzip"},
           {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"s, "application/x-ole-storage"},
           {"{\\rtf1\\ansi"s, "application/rtf"},
           {"MZ\x90\0\x03"s, "application/vnd.microsoft.portable-executable"},
           {"Hello, H\xC3\xA9llo\r\n\t"s, "text/plain"},
           {"\xff\xfeH\0i\0"s, "text/plain"},
           {"BMW and MZ are words, ID3 too"s, "text/plain"},
           {"MZ is a word"s, "text/plain"},
           {"a\0b"s, ""},
           {"\xC3\x28"s, ""},
           {""s, ""}}) {
    BOOST_TEST(sniff_media_type(bytes) == type, type << " but " << sniff_media_type(bytes));
  }
}

BOOST_AUTO_TEST_CASE(markup_is_markup_however_it_begins) {
  for (const std::string& page :
       std::vector<std::string>{"<!DOCTYPE html><p>x", "<HTML>", " \r\n\t<html\n>",
                                "\xef\xbb\xbf<script>alert(1)</script>", "<!-- x --><script>",
                                "<iframe src=x>", "<body/onload=alert(1)>", "<a href=x>",
                                "<img src=x onerror=alert(1)>", "<style>", "<b>x</b>"}) {
    BOOST_TEST(sniff_media_type(page) == "text/html", page);
  }
  for (const std::string& image : std::vector<std::string>{
           "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "\n<SVG >",
           "<?xml version=\"1.0\"?>\n<!-- x --><svg onload=alert(1)>",
           "<!DOCTYPE svg PUBLIC \"x\"><svg>"}) {
    BOOST_TEST(sniff_media_type(image) == "image/svg+xml", image);
  }
  BOOST_TEST(sniff_media_type("<?xml version=\"1.0\"?><x/>") == "text/xml");
  BOOST_TEST(sniff_media_type("<blink> is no tag of the list") == "text/plain");
}

BOOST_AUTO_TEST_CASE(a_code_point_cut_by_the_limit_of_sniffing_is_text_all_the_same) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    while (text.size() < 2 * kSniffedBytes) text += "\xF0\x9F\x91\x8D";
    BOOST_TEST(sniff_media_type(text) == "text/plain");
    // Cut at the end of the file it is no text.
    const auto broken = std::string("x\xF0\x9F\x91");
    BOOST_TEST(sniff_media_type(broken) == "");
  }
}

BOOST_AUTO_TEST_CASE(the_senders_word_counts_only_where_the_bytes_say_nothing) {
  const std::string png = "\x89PNG\r\n\x1a\n";
  BOOST_TEST(media_type(png, "text/html") == "image/png");
  BOOST_TEST(media_type("<html>", "image/png") == "text/html");
  BOOST_TEST(media_type("<svg>", "image/png") == "image/svg+xml");
  BOOST_TEST(media_type("a\0b"s, "Application/X-Thing; v=1") == "application/x-thing");
  BOOST_TEST(media_type("a\0b"s, "") == "application/octet-stream");
  for (const std::string& bad : std::vector<std::string>{
           "png", "/", "a/", "/b", "a/b/c", "a b/c", "a/b\r\nX: 1", "a/\"b\"", "a/b,c/d",
           std::string(200, 'a') + "/b", "a/" + std::string(200, 'b')}) {
    BOOST_TEST(media_type("a\0b"s, bad) == "application/octet-stream", bad);
  }
}

BOOST_AUTO_TEST_CASE(the_senders_word_refines_a_container_and_nothing_else) {
  const std::string docx =
      "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  BOOST_TEST(media_type("PK\3\4\x14", docx) == docx);
  BOOST_TEST(media_type("PK\3\4\x14", "text/html") == "application/zip");
  BOOST_TEST(media_type(box("isom"), "audio/mp4") == "audio/mp4");
  BOOST_TEST(media_type(box("isom"), "image/png") == "video/mp4");
  BOOST_TEST(media_type("OggS\0\2"s, "audio/ogg; codecs=opus") == "audio/ogg");
  BOOST_TEST(media_type("a,b\n1,2", "text/csv") == "text/csv");
  BOOST_TEST(media_type("BEGIN:VCARD", "text/vcard") == "text/vcard");
  BOOST_TEST(media_type("hello", "text/html") == "text/plain");
  BOOST_TEST(media_type("alert(1)", "text/javascript") == "text/plain");
  BOOST_TEST(media_type("hello", "image/svg+xml") == "text/plain");
}

BOOST_AUTO_TEST_CASE(only_raster_images_audio_and_video_are_shown_inline) {
  for (const char* type : {"image/png", "image/jpeg", "image/gif", "image/webp", "audio/mpeg",
                           "audio/ogg", "video/mp4", "video/webm"}) {
    BOOST_TEST(is_shown_inline(type), type);
  }
  for (const char* type :
       {"image/svg+xml", "text/html", "text/plain", "text/xml", "application/pdf",
        "application/xhtml+xml", "application/octet-stream", "image/", "image/png; x", "IMAGE/PNG",
        "application/zip", "text/javascript", "multipart/x-mixed-replace", ""}) {
    BOOST_TEST(!is_shown_inline(type), type);
  }
}

BOOST_AUTO_TEST_CASE(attachments_are_called_as_the_api_calls_them) {
  BOOST_TEST(attachment_type("image/png") == "image");
  BOOST_TEST(attachment_type("video/mp4") == "video");
  BOOST_TEST(attachment_type("audio/ogg") == "audio");
  BOOST_TEST(attachment_type("application/pdf") == "file");
  BOOST_TEST(attachment_type("image/svg+xml") == "file");
  BOOST_TEST(attachment_type("imagex/png") == "file");
}

BOOST_AUTO_TEST_CASE(file_names_have_no_folders_no_control_characters_and_an_end) {
  BOOST_TEST(file_name("photo.png", "image/png") == "photo.png");
  BOOST_TEST(file_name("C:\\Users\\x\\photo.png", "image/png") == "photo.png");
  BOOST_TEST(file_name("../../etc/passwd", "text/plain") == "passwd");
  BOOST_TEST(file_name("a\r\nb\tc\x01.txt", "text/plain") == "a b c.txt");
  BOOST_TEST(file_name("", "image/jpeg") == "image.jpg");
  BOOST_TEST(file_name("..", "application/pdf") == "file.pdf");
  BOOST_TEST(file_name("a/", "application/x-thing") == "file");
  BOOST_TEST(file_name("\xff.png", "image/png") == "\xEF\xBF\xBD.png");
  const auto cut = file_name(std::string(300, 'x') + ".jpeg", "image/jpeg");
  BOOST_TEST(cut.size() == 200u);
  BOOST_TEST(cut.ends_with("x.jpeg"));
  std::string wide;
  while (wide.size() < 400) wide += "\xF0\x9F\x91\x8D";
  BOOST_TEST(file_name(wide, "").size() <= 200u);
  BOOST_TEST(sdk::is_valid_utf8(file_name(wide + ".txt", "")));
}

BOOST_AUTO_TEST_SUITE_END()
