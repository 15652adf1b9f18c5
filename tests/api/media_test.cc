// Files over HTTP: uploads, signed addresses, and what a browser may do with what it gets.
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/multipart.h"
#include "gateway/store/media.h"
#include "tests/api/world.h"

namespace {

using api_test::Headers;
using api_test::Person;
using api_test::random_id;
using api_test::Result;
using api_test::World;
using namespace std::string_literals;

constexpr std::size_t kMiB = 1u << 20;
const std::string kPng = "\x89PNG\r\n\x1a\n"s + std::string(2'000, 'p');

struct File {
  std::string name;
  std::string type;
  std::string body;
  std::string field = "file";
};

struct Fixture : World {
  Person ada = owner("pro");
  std::string channel = telegram(ada);
  std::string conversation = inbound_conversation(ada, channel);

  std::string upload_path() const { return "/api/v1/conversations/" + conversation + "/upload"; }

  Result upload(const std::vector<File>& files, const std::string& token,
                const std::string& path = {}) {
    std::vector<sdk::FormPart> parts;
    for (const auto& file : files) parts.push_back({file.field, file.name, file.type, file.body});
    const auto form = sdk::encode_multipart(parts);
    return call("POST", path.empty() ? upload_path() : path, token, form.body,
                {{"Content-Type", form.content_type}});
  }
  Result upload(const std::vector<File>& files) { return upload(files, ada.token); }

  // The path and query of an address of ours.
  static std::string target(const std::string& url) {
    const std::string base = api_test::kPublicUrl;
    BOOST_TEST_REQUIRE(url.starts_with(base + "/api/v1/media/"), url);
    return url.substr(base.size());
  }
  std::string uploaded(const std::string& name, const std::string& type, const std::string& body) {
    const auto result = upload({{name, type, body}});
    BOOST_TEST_REQUIRE(result.status == 201, result.body);
    return target(std::string(result["urls"].at(0).text_or("")));
  }
  Result get(const std::string& path, const Headers& headers = {}, const char* method = "GET") {
    return call(method, path, "", "", headers);
  }
  Result send(const std::string& body, const Person& as) {
    return call("POST", "/api/v1/conversations/" + conversation + "/messages", as.token, body);
  }
  Result send(const std::string& body) { return send(body, ada); }

  // A file of a delivery in this state, and the message that names it.
  std::string delivered(const std::string& state, const std::string& type,
                        const std::string& body) {
    const auto id = ids.next().text();
    const auto at = "(select max(sort_at) + interval '1 second' from message)";
    value(
        "with m as (insert into message (tenant_id, conversation_id, sort_at, sort_seq, id,"
        " channel_id, sender_type, content, attachments, remote_id) values ('" +
        ada.business + "', '" + conversation + "', " + at + ", 0, '" + random_id() + "', '" +
        channel + R"(', 0, '', '[{"id":")" + id +
        R"(","type":"image","url":null,"content_type":null,"size":null,"name":null,)" +
        R"("state":"pending","media_id":"p7","width":"4"}]', 'r1')"
        ")) insert into media (tenant_id, id, channel_id, message_remote_id, state, content_type,"
        " file_name, size, sha256, body, error) values ('" +
        ada.business + "', '" + id + "', '" + channel + "', 'r1', " + state + ", '" + type +
        "', nullif('" + (body.empty() ? "" : "p.png") + "', ''), nullif(" +
        std::to_string(body.size()) + ", 0), sha256('" + body + "'), nullif('" + body +
        "', '')::bytea, " + (state == "2" ? "'too large'" : "null") + ") returning 1");
    return id;
  }
  sdk::json::Value shown(Result& result, const std::string& id) {
    result = call("GET", "/api/v1/conversations/" + conversation, ada.token);
    BOOST_TEST_REQUIRE(result.status == 200);
    for (const auto message : result["messages"].elements()) {
      for (const auto attachment : message["attachments"].elements()) {
        if (attachment["id"].text() == id) return attachment;
      }
    }
    return {};
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(media_api, Fixture)

// Uploads ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_upload_is_stored_shown_and_readable_without_a_token) {
  const auto result = upload({{"p h\xC3\xB6to.png", "image/png", kPng},
                              {"folder/notes.txt", "text/plain; charset=utf-8", "hello"}});
  BOOST_TEST_REQUIRE(result.status == 201, result.body);
  BOOST_TEST(result["attachments"].size() == 2u);
  const auto first = result["attachments"].at(0);
  BOOST_TEST(first["type"].text_or("") == "image");
  BOOST_TEST(first["content_type"].text_or("") == "image/png");
  BOOST_TEST(first["size"].integer().value_or(0) == static_cast<std::int64_t>(kPng.size()));
  BOOST_TEST(first["name"].text_or("") == "p h\xC3\xB6to.png");
  BOOST_TEST(first["state"].text_or("") == "ready");
  BOOST_TEST(first["url"].text_or("") == result["urls"].at(0).text_or("x"));
  const auto second = result["attachments"].at(1);
  BOOST_TEST(second["type"].text_or("") == "file");
  BOOST_TEST(second["name"].text_or("") == "notes.txt");

  const auto path = target(std::string(first["url"].text_or("")));
  const auto read = get(path);
  BOOST_TEST(read.status == 200);
  BOOST_TEST((read.body == kPng));
  BOOST_TEST(read.header("content-type") == "image/png");
  BOOST_TEST(read.header("content-length") == std::to_string(kPng.size()));
  BOOST_TEST(read.header("x-content-type-options") == "nosniff");
  BOOST_TEST(read.header("content-security-policy").find("sandbox") != std::string::npos);
  BOOST_TEST(read.header("content-security-policy").starts_with("default-src 'none'"));
  BOOST_TEST(read.header("content-disposition") ==
             "inline; filename=\"p h__to.png\"; filename*=UTF-8''p%20h%C3%B6to.png");
  BOOST_TEST(read.header("cache-control") == "private, max-age=300");
  BOOST_TEST(read.header("access-control-allow-origin") == "*");
  BOOST_TEST(read.header("etag").size() == 34u);

  const auto head = get(path, {}, "HEAD");
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.body.empty());
  for (const char* name : {"content-length", "content-type", "etag", "content-disposition"}) {
    BOOST_TEST(head.header(name) == read.header(name), name);
  }
}

BOOST_AUTO_TEST_CASE(an_upload_has_25_mib_and_not_a_byte_more) {
  const std::string body(25 * kMiB, 'x');
  const auto result = upload({{"a.bin", "application/octet-stream", body}});
  BOOST_TEST_REQUIRE(result.status == 201, result.body);
  const auto read = get(target(std::string(result["urls"].at(0).text_or(""))));
  BOOST_TEST(read.status == 200);
  BOOST_TEST((read.body == body));
  BOOST_TEST(upload({{"a.bin", "", body + "x"}}).status == 413);
  BOOST_TEST(upload({{"a.bin", "", body}, {"b.bin", "", "x"}}).status == 413);
  // Larger than any form of that size: not read at all.
  BOOST_TEST(upload({{"a.bin", "", std::string(26 * kMiB, 'x')}}).status == 413);
  BOOST_TEST(count("media") == 1);
}

BOOST_AUTO_TEST_CASE(without_a_valid_token_little_is_read) {
  const std::string body(kMiB, 'x');
  BOOST_TEST(upload({{"a.bin", "", body}}, "").status == 413);
  BOOST_TEST(upload({{"a.bin", "", body}}, "no.to.ken").status == 413);
  BOOST_TEST(upload({{"a.bin", "", "x"}}, "").status == 401);
  BOOST_TEST(upload({{"a.bin", "", body}}).status == 201);
}

BOOST_AUTO_TEST_CASE(what_is_no_form_with_files_is_refused) {
  const auto post = [&](const std::string& type, const std::string& body) {
    return call("POST", upload_path(), ada.token, body, {{"Content-Type", type}});
  };
  BOOST_TEST(post("application/json", "{}").status == 415);
  BOOST_TEST(post("multipart/form-data", "--x--").status == 415);
  BOOST_TEST(post("image/png", kPng).status == 415);
  for (const std::string& body : std::vector<std::string>{
           "--b--", "no form", "--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--",
           "--b\r\nContent-Disposition: form-data; name=other; filename=a\r\n\r\nx\r\n--b--",
           "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n\r\n--b--",
           "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nx"}) {
    const auto result = post("multipart/form-data; boundary=b", body);
    BOOST_TEST(result.status == 422, body);
    BOOST_TEST(result["errors"].at(0)["field"].text_or("") == "file");
  }
  BOOST_TEST(upload(std::vector<File>(11, {"a", "", "x"})).status == 422);
  BOOST_TEST(upload(std::vector<File>(10, {"a", "", "x"})).status == 201);
  BOOST_TEST(upload({{"a", "", "x"}}, ada.token, "/api/v1/conversations/" + random_id() + "/upload")
                 .status == 404);
  BOOST_TEST(count("media") == 10);
}

BOOST_AUTO_TEST_CASE(what_nobody_sends_is_bounded_per_business) {
  value("insert into media (tenant_id, id, conversation_id, state, size, body) values ('" +
        ada.business + "', '" + random_id() + "', '" + conversation + "', 1, " +
        std::to_string(1024 * kMiB) + ", 'x') returning 1");
  const auto result = upload({{"a", "", "x"}});
  BOOST_TEST(result.status == 429);
  BOOST_TEST(!result.header("retry-after").empty());
  const auto bob = owner("pro");
  const auto theirs = inbound_conversation(bob, telegram(bob));
  BOOST_TEST(
      upload({{"a", "", "x"}}, bob.token, "/api/v1/conversations/" + theirs + "/upload").status ==
      201);
}

// Reading ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(nothing_that_could_run_is_ever_shown_inline) {
  struct Row {
    std::string name, declared, body, type;
    bool is_inline;
  };
  const std::string script = "<script>alert(document.domain)</script>";
  for (const Row& row : std::vector<Row>{
           {"a.svg", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>",
            "image/svg+xml", false},
           {"a.png", "image/png", "<svg onload='alert(1)'/>", "image/svg+xml", false},
           {"a.png", "image/png", "<?xml version='1.0'?><svg onload='alert(1)'/>", "image/svg+xml",
            false},
           {"a.html", "text/html", "<!doctype html>" + script, "text/html", false},
           {"a.png", "text/html", "<html>" + script, "text/html", false},
           {"a.png", "image/png", script, "text/html", false},
           {"a.gif", "image/gif", "\xef\xbb\xbf \n<body onload=alert(1)>", "text/html", false},
           {"a.jpg", "image/jpeg", "hello", "text/plain", false},
           {"a.js", "text/javascript", "alert(1)", "text/plain", false},
           {"a.xhtml", "application/xhtml+xml", "<?xml version='1.0'?><html/>", "text/xml", false},
           {"a.pdf", "application/pdf", "%PDF-1.7\n", "application/pdf", false},
           {"a.pdf", "image/png", "%PDF-1.7\n", "application/pdf", false},
           {"a.xml", "text/xml", "<?xml version='1.0'?><x/>", "text/xml", false},
           {"a.eml", "message/rfc822", "From: a\r\n\r\n" + script, "message/rfc822", false},
           {"a.swf", "application/x-shockwave-flash", "FWS\x05\0\0"s,
            "application/x-shockwave-flash", false},
           {"a.png", "image/png", "\0\1\2\3"s, "image/png", false},
           {"a.mp4", "video/mp4", "\0\1\2\3"s, "video/mp4", false},
           {"a.bin", "multipart/x-mixed-replace", "\0\1"s, "multipart/x-mixed-replace", false},
           {"a.bin", "image/png\r\nX-Evil: 1", "\0\1"s, "application/octet-stream", false},
           {"a.html", "text/html", kPng, "image/png", true},
           {"a.jpg", "", "\xff\xd8\xff\xe0" + script, "image/jpeg", true},
           {"a.gif", "", "GIF89a/*" + script, "image/gif", true},
           {"a.ogg", "text/html", "OggS\0\2"s + script, "audio/ogg", true},
           {"a.mp4", "",
            "\0\0\0\x18"
            "ftypisom\0\0\0\0"s,
            "video/mp4", true}}) {
    const auto path = uploaded(row.name, row.declared, row.body);
    const auto read = get(path);
    BOOST_TEST_CONTEXT(row.name << " " << row.declared << " " << row.body) {
      BOOST_TEST(read.status == 200);
      BOOST_TEST((read.body == row.body));
      BOOST_TEST(read.header("content-type") == row.type);
      BOOST_TEST(read.header("content-disposition").starts_with("inline;") == row.is_inline);
      BOOST_TEST(read.header("content-disposition").starts_with("attachment;") == !row.is_inline);
      BOOST_TEST(read.header("x-content-type-options") == "nosniff");
      BOOST_TEST(read.header("content-security-policy").find("sandbox") != std::string::npos);
      BOOST_TEST(read.header("x-evil").empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_senders_word_for_a_delivered_file_is_judged_when_it_is_served) {
  const auto id = delivered("1", "image/png", "<svg onload=alert(1)>");
  Result result;
  const auto read = get(target(std::string(shown(result, id)["url"].text_or(""))));
  BOOST_TEST(read.status == 200);
  BOOST_TEST(read.header("content-type") == "image/svg+xml");
  BOOST_TEST(read.header("content-disposition").starts_with("attachment;"));
}

BOOST_AUTO_TEST_CASE(a_name_cannot_break_out_of_its_header) {
  const auto path = uploaded("a\"; filename=evil.html; x=\"%22\xE2\x80\xAE.png", "", kPng);
  const auto read = get(path);
  BOOST_TEST(read.header("content-disposition") ==
             "inline; filename=\"a_; filename=evil.html; x=_____.png\"; filename*=UTF-8''"
             "a%22%3B%20filename%3Devil.html%3B%20x%3D%22%22%E2%80%AE.png");
}

BOOST_AUTO_TEST_CASE(an_address_opens_its_file_alone_and_ends) {
  const auto mine = uploaded("a.txt", "", "mine");
  const auto other = uploaded("b.txt", "", "other");
  const auto bob = owner("pro");
  const auto theirs_in = inbound_conversation(bob, telegram(bob));
  const auto theirs =
      target(std::string(upload({{"c.txt", "", "theirs"}}, bob.token,
                                "/api/v1/conversations/" + theirs_in + "/upload")["urls"]
                             .at(0)
                             .text_or("")));
  const auto id_of = [](const std::string& path) { return path.substr(14, 36); };
  const auto query_of = [](const std::string& path) { return path.substr(path.find('?')); };
  const auto status = [&](const std::string& path) { return get(path).status; };
  BOOST_TEST(get(mine).body == "mine");
  BOOST_TEST(get("/api/v1/media/" + id_of(mine) + "/any%20name" + query_of(mine)).body == "mine");
  for (const std::string& path : std::vector<std::string>{
           "/api/v1/media/" + id_of(mine) + "/a.txt", "/api/v1/media/" + id_of(mine) + "/a.txt?",
           "/api/v1/media/" + id_of(other) + "/a.txt" + query_of(mine),
           "/api/v1/media/" + id_of(theirs) + "/a.txt" + query_of(mine),
           "/api/v1/media/" + id_of(mine) + "/a.txt" + query_of(theirs),
           "/api/v1/media/" + random_id() + "/a.txt" + query_of(mine),
           "/api/v1/media/x/a.txt" + query_of(mine), mine + "A"}) {
    BOOST_TEST(status(path) == 404, path);
  }
  // Another's file under my own business's signature: the row is not there.
  const auto forged =
      media_urls->make(gateway::domain::BusinessId(*gateway::Uuid::parse(ada.business)),
                       *gateway::Uuid::parse(id_of(theirs)), "c.txt", clock.now_ms());
  BOOST_TEST(status(target(forged)) == 404);
  BOOST_TEST(get(theirs).body == "theirs");
  clock.advance(7 * 24 * 3'600'000LL);
  BOOST_TEST(status(mine) == 200);
  clock.advance(3'600'000);
  BOOST_TEST(status(mine) == 404);
}

BOOST_AUTO_TEST_CASE(ranges_are_answered_as_rfc_9110_says) {
  std::string body;
  while (body.size() < 10'000) body += std::to_string(body.size()) + ".";
  body.resize(10'000);
  const auto path = uploaded("a.bin", "", body);
  struct Row {
    std::string range;
    int status;
    std::string content_range;
    std::size_t begin, count;
  };
  for (const Row& row :
       std::vector<Row>{{"bytes=0-499", 206, "bytes 0-499/10000", 0, 500},
                        {"bytes=500-999", 206, "bytes 500-999/10000", 500, 500},
                        {"bytes=-500", 206, "bytes 9500-9999/10000", 9500, 500},
                        {"bytes=9500-", 206, "bytes 9500-9999/10000", 9500, 500},
                        {"bytes=0-", 206, "bytes 0-9999/10000", 0, 10'000},
                        {"bytes=9999-99999", 206, "bytes 9999-9999/10000", 9999, 1},
                        {"bytes=10000-", 416, "bytes */10000", 0, 0},
                        {"bytes=-0", 416, "bytes */10000", 0, 0},
                        {"bytes=0-0,-1", 200, "", 0, 10'000},
                        {"bytes=5-4", 200, "", 0, 10'000},
                        {"items=0-1", 200, "", 0, 10'000}}) {
    const auto result = get(path, {{"Range", row.range}});
    BOOST_TEST_CONTEXT(row.range) {
      BOOST_TEST(result.status == row.status);
      BOOST_TEST(result.header("content-range") == row.content_range);
      if (row.status != 416) BOOST_TEST((result.body == body.substr(row.begin, row.count)));
    }
  }
  const auto etag = get(path).header("etag");
  BOOST_TEST(get(path, {{"Range", "bytes=0-1"}, {"If-Range", etag}}).status == 206);
  BOOST_TEST(get(path, {{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}}).status == 200);
  BOOST_TEST(get(path, {{"Range", "bytes=0-1"}, {"If-Range", "W/" + etag}}).status == 200);
  const auto head = get(path, {{"Range", "bytes=0-1"}}, "HEAD");
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.header("content-length") == "10000");
  const auto fresh = get(path, {{"If-None-Match", "\"x\", " + etag}});
  BOOST_TEST(fresh.status == 304);
  BOOST_TEST(fresh.body.empty());
  BOOST_TEST(fresh.header("etag") == etag);
  BOOST_TEST(get(path, {{"If-None-Match", "\"x\""}}).status == 200);
}

BOOST_AUTO_TEST_CASE(slow_readers_of_large_files_are_bounded_in_memory) {
  const auto path = uploaded("a.bin", "", std::string(25 * kMiB, 'x'));
  // Each asks and reads nothing: the kernel's buffers take a few MiB, the rest waits here.
  std::vector<std::unique_ptr<test_support::HttpClient>> slow;
  const auto request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  int refused = 0;
  for (int i = 0; i < 8 && refused == 0; ++i) {
    slow.push_back(std::make_unique<test_support::HttpClient>(port()));
    slow.back()->send(request);
    // A probe behind it: once five have their 25 MiB, a sixth of 128 MiB does not fit.
    for (int round = 0; round < 200 && i >= 5 && refused == 0; ++round) {
      const auto probe = get(path, {{"Range", "bytes=0-" + std::to_string(20 * kMiB)}});
      if (probe.status == 503) ++refused;
      BOOST_TEST((probe.status == 503 || probe.status == 206));
    }
  }
  BOOST_TEST(refused == 1);
  // Small ones still go, and everything when they have left.
  BOOST_TEST(get(path, {{"Range", "bytes=0-9"}}).status == 206);
  slow.clear();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int status = 503;
  while (status == 503 && std::chrono::steady_clock::now() < end) status = get(path).status;
  BOOST_TEST(status == 200);
}

// Messages ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_file_is_sent_by_its_object_its_address_or_its_id) {
  const auto up = upload({{"a.png", "image/png", kPng}});
  const std::string id(up["attachments"].at(0)["id"].text_or(""));
  const std::string url(up["urls"].at(0).text_or(""));
  for (const std::string& quoted :
       {up["attachments"].at(0).dump(), "\"" + url + "\"", R"({"url":")" + url + "\"}",
        R"({"id":")" + id + "\"}", R"({"id":")" + id + R"(","url":null})"}) {
    const auto sent = send(R"({"attachments":[)" + quoted + "]}");
    BOOST_TEST_REQUIRE(sent.status == 201, quoted << " " << sent.body);
    const auto attachment = sent["attachments"].at(0);
    BOOST_TEST(attachment["id"].text_or("") == id);
    BOOST_TEST(attachment["type"].text_or("") == "image");
    BOOST_TEST(attachment["content_type"].text_or("") == "image/png");
    BOOST_TEST(attachment["name"].text_or("") == "a.png");
    BOOST_TEST(attachment["state"].text_or("") == "ready");
    BOOST_TEST(attachment["size"].integer().value_or(0) == static_cast<std::int64_t>(kPng.size()));
    BOOST_TEST((get(target(std::string(attachment["url"].text_or("")))).body == kPng));
  }
  BOOST_TEST(count("media_use") == 5);
  BOOST_TEST(count("media where used_at is not null") == 1);
  // What the connector sees is an address that a platform can fetch.
  const auto stored =
      value("select (attachments -> 0) ->> 'url' from message where sender_type = 1 limit 1");
  BOOST_TEST((get(target(stored)).body == kPng));
  // Addresses in old answers have ended; the file has not, and its owner may still send it.
  clock.advance(9 * 24 * 3'600'000LL);
  const auto bob = member(ada, gateway::store::Role::agent);
  const auto late = send(R"({"attachments":[")" + url + R"("]})", bob);
  BOOST_TEST_REQUIRE(late.status == 201, late.body);
  BOOST_TEST(get(target(url)).status == 404);
  BOOST_TEST(get(target(std::string(late["attachments"].at(0)["url"].text_or("")))).status == 200);
}

BOOST_AUTO_TEST_CASE(type_and_name_of_a_file_may_be_said_anew) {
  const auto up = upload({{"a.ogg", "", "OggS\0\2"s}});
  const std::string id(up["attachments"].at(0)["id"].text_or(""));
  const auto sent = send(R"({"attachments":[{"id":")" + id +
                         R"(","type":"file","name":"say/this.ogg","content_type":"text/html"}]})");
  BOOST_TEST_REQUIRE(sent.status == 201, sent.body);
  const auto attachment = sent["attachments"].at(0);
  BOOST_TEST(attachment["type"].text_or("") == "file");
  BOOST_TEST(attachment["content_type"].text_or("") == "audio/ogg");
}

BOOST_AUTO_TEST_CASE(files_that_are_not_there_or_not_ones_own_cannot_be_sent) {
  const auto bob = owner("pro");
  const auto theirs_in = inbound_conversation(bob, telegram(bob));
  const auto theirs =
      upload({{"a", "", "x"}}, bob.token, "/api/v1/conversations/" + theirs_in + "/upload");
  const std::string their_id(theirs["attachments"].at(0)["id"].text_or(""));
  const std::string their_url(theirs["urls"].at(0).text_or(""));
  const auto pending = delivered("0", "", "");
  std::string random_shape;
  for (const std::string& quoted :
       std::vector<std::string>{R"({"id":")" + random_id() + "\"}", R"({"id":")" + their_id + "\"}",
                                "\"" + their_url + "\"", theirs["attachments"].at(0).dump(),
                                R"({"id":")" + pending + "\"}"}) {
    const auto sent = send(R"({"content":"x","attachments":[)" + quoted + "]}");
    BOOST_TEST(sent.status == 422, quoted);
    auto shape = sent.body;
    shape.erase(shape.find("\"request_id\""), 52);
    if (random_shape.empty()) random_shape = shape;
    BOOST_TEST(shape == random_shape);
    BOOST_TEST(sent["errors"].at(0)["field"].text_or("") == "attachments.0");
  }
  for (const char* quoted : {R"({"id":"x"})", R"({"id":7})", "{}", R"({"url":"http://a.test/x"})",
                             R"({"id":"x","url":"http://a.test/x"})",
                             R"("https://hooks.backchannel.test/api/v1/media/x/y")"}) {
    BOOST_TEST(send(R"({"content":"x","attachments":[)"s + quoted + "]}").status == 422, quoted);
  }
  BOOST_TEST(count("message where sender_type = 1") == 0);
  BOOST_TEST(count("media where used_at is not null") == 0);
  BOOST_TEST(count("outbox") == 0);
}

BOOST_AUTO_TEST_CASE(a_customers_file_is_shown_as_it_is_and_can_be_passed_on) {
  Result result;
  const auto pending = delivered("0", "image/png", "");
  BOOST_TEST(shown(result, pending)["state"].text_or("") == "pending");
  BOOST_TEST(shown(result, pending)["url"].is_null());
  BOOST_TEST(shown(result, pending)["width"].text_or("") == "4");

  value(
      "update media set state = 1, body = 'bytes', size = 5, sha256 = sha256('bytes'),"
      " file_name = 'p.png' where id = '" +
      pending + "' returning 1");
  const auto ready = shown(result, pending);
  BOOST_TEST(ready["state"].text_or("") == "ready");
  BOOST_TEST(ready["size"].integer().value_or(0) == 5);
  BOOST_TEST(ready["name"].text_or("") == "p.png");
  BOOST_TEST(ready["content_type"].text_or("") == "image/png");
  const std::string url(ready["url"].text_or(""));
  BOOST_TEST(get(target(url)).body == "bytes");
  const auto passed = send(R"({"attachments":[{"id":")" + pending + "\"}]}");
  BOOST_TEST_REQUIRE(passed.status == 201, passed.body);

  // Taken back: everywhere it was shown.
  value("update media set state = 2, error = 'deleted', body = null where id = '" + pending +
        "' returning 1");
  const auto gone = shown(result, pending);
  BOOST_TEST(gone["state"].text_or("") == "failed");
  BOOST_TEST(gone["error"].text_or("") == "deleted");
  BOOST_TEST(gone["url"].is_null());
  // Also where an agent had passed it on, with the row or without it.
  const auto passed_on = [&result] {
    for (const auto message : result["messages"].elements()) {
      if (message["sender_type"].text() == "agent") return message["attachments"].at(0);
    }
    return sdk::json::Value();
  };
  BOOST_TEST(passed_on()["state"].text_or("") == "failed");
  BOOST_TEST(passed_on()["url"].is_null());
  BOOST_TEST(get(target(url)).status == 404);
  value("delete from media returning 1");
  shown(result, pending);
  BOOST_TEST(passed_on()["state"].text_or("") == "failed");
  BOOST_TEST(passed_on()["url"].is_null());
}

BOOST_AUTO_TEST_CASE(failed_files_say_why) {
  Result result;
  const auto failed = shown(result, delivered("2", "image/png", ""));
  BOOST_TEST(failed["state"].text_or("") == "failed");
  BOOST_TEST(failed["error"].text_or("") == "too large");
  BOOST_TEST(failed["url"].is_null());
}

BOOST_AUTO_TEST_CASE(public_addresses_stay_as_they_are) {
  const auto sent = send(R"({"attachments":["https://a.test/api/v1/media/x/y.png",
                          {"url":"https://a.test/b","id":")" +
                         random_id() + R"("}]})");
  BOOST_TEST_REQUIRE(sent.status == 201, sent.body);
  BOOST_TEST(sent["attachments"].at(0)["url"].text_or("") == "https://a.test/api/v1/media/x/y.png");
  BOOST_TEST(sent["attachments"].at(0)["type"].text_or("") == "image");
  BOOST_TEST(sent["attachments"].at(1)["url"].text_or("") == "https://a.test/b");
  BOOST_TEST(count("media_use") == 0);
}

BOOST_AUTO_TEST_CASE(a_repeated_send_with_a_file_is_one_message) {
  const auto up = upload({{"a.png", "", kPng}});
  const std::string body = R"({"attachments":[)" + up["attachments"].at(0).dump() + "]}";
  const Headers key = {{"Idempotency-Key", "k1"}};
  const auto path = "/api/v1/conversations/" + conversation + "/messages";
  const auto first = call("POST", path, ada.token, body, key);
  const auto second = call("POST", path, ada.token, body, key);
  BOOST_TEST(first.status == 201);
  BOOST_TEST(second.header("idempotent-replayed") == "true");
  BOOST_TEST(second.body == first.body);
  BOOST_TEST(count("media_use") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
