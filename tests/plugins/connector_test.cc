// The border: what a connector may do wrong, and what the gateway makes of it.
#include "gateway/plugins/connector.h"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/convert.h"
#include "connectors/sdk/text.h"

namespace {

using connector::Call;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Response;
using connector::Step;
using connector::Verdict;
using gateway::Errc;

gwc_str str(std::string_view text) { return connector::view::str(text); }

std::int32_t accept(const gwc_channel*, const gwc_request*) { return GWC_ACCEPT; }
void receive_nothing(const gwc_channel*, const gwc_request*, const gwc_sink*) {}
void plan_nothing(const gwc_channel*, std::int32_t, const gwc_event*, const gwc_response* const*,
                  std::size_t, const gwc_sink*) {}

// A connector of one function; its table outlives the test like a loaded one.
struct Parts {
  decltype(gwc_connector::verify) verify = accept;
  decltype(gwc_connector::receive) receive = receive_nothing;
  decltype(gwc_connector::plan) plan = plan_nothing;
  decltype(gwc_connector::accounts) accounts = nullptr;
};

gateway::plugins::Connector made_of(Parts parts) {
  static std::vector<std::unique_ptr<gwc_connector>> tables;
  tables.push_back(std::make_unique<gwc_connector>(gwc_connector{.size = sizeof(gwc_connector),
                                                                 .abi_major = GWC_ABI_MAJOR,
                                                                 .abi_minor = GWC_ABI_MINOR,
                                                                 .flags = 0,
                                                                 .type = "test",
                                                                 .config_schema = "",
                                                                 .verify = parts.verify,
                                                                 .receive = parts.receive,
                                                                 .plan = parts.plan,
                                                                 .accounts = parts.accounts}));
  return {*tables.back(), gateway::plugins::ConfigSchema(), "nowhere"};
}

gateway::Result<connector::Received> received_by(decltype(gwc_connector::receive) receive) {
  return made_of({.receive = receive}).receive({}, {});
}

Step planned_by(decltype(gwc_connector::plan) plan) {
  return made_of({.plan = plan}).plan({}, Operation::send, {}, {});
}

std::string fault_of(decltype(gwc_connector::plan) plan) {
  const Step step = planned_by(plan);
  const auto* fail = std::get_if<Fail>(&step);
  return fail != nullptr && fail->code == Failure::permanent &&
                 fail->platform_code == "connector_fault"
             ? fail->why
             : "no fault";
}

void emit_call(const gwc_sink* sink, std::string_view url, std::string_view header_value = "v") {
  const gwc_pair header{str("x-test"), str(header_value)};
  const gwc_call call{.size = sizeof call,
                      .flags = GWC_URL_IS_SECRET,
                      .method = str("POST"),
                      .url = str(url),
                      .headers = {&header, 1},
                      .body = str("{}")};
  sink->call(sink->self, &call);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(border)

BOOST_AUTO_TEST_CASE(only_accept_accepts) {
  BOOST_TEST((made_of({}).verify({}, {}) == Verdict::accept));
  const auto later = [](const gwc_channel*, const gwc_request*) -> std::int32_t {
    return GWC_TRY_LATER;
  };
  BOOST_TEST((made_of({.verify = later}).verify({}, {}) == Verdict::try_later));
  const auto odd = [](const gwc_channel*, const gwc_request*) -> std::int32_t { return 3; };
  BOOST_TEST((made_of({.verify = odd}).verify({}, {}) == Verdict::refuse));
  const auto throwing = [](const gwc_channel*, const gwc_request*) -> std::int32_t {
    throw std::runtime_error("oh");
  };
  BOOST_TEST((made_of({.verify = throwing}).verify({}, {}) == Verdict::refuse));
}

BOOST_AUTO_TEST_CASE(values_arrive_as_they_were_sent) {
  const auto echo = [](const gwc_channel* channel, std::int32_t operation, const gwc_event* input,
                       const gwc_response* const* so_far, std::size_t count, const gwc_sink* sink) {
    const auto c = connector::copy::channel(*channel);
    const auto e = connector::copy::event(*input);
    const auto last = connector::copy::response(*so_far[count - 1]);
    const std::string text = std::string(c.setting("smtp.host")) + "|" +
                             std::string(c.kept("cursor")) + "|" + c.secret + "|" + c.webhook_url +
                             "|" + std::to_string(c.now_ms) + "|" + std::to_string(operation) +
                             "|" + e.thread + "|" + e.attachments.at(0).extra.at(0).second + "|" +
                             std::to_string(count) + "|" + std::to_string(last.status) + "|" +
                             (last.not_sent ? "not sent" : "") + "|" + last.body;
    const gwc_pair result{str("echo"), str(text)};
    const gwc_done done{.size = sizeof done, .state = {}, .results = {&result, 1}};
    sink->done(sink->self, &done);
  };
  Event input{.thread = "t"};
  input.attachments.push_back({.kind = "image", .extra = {{"width", "3"}}});
  const std::vector<Response> answers{{.status = 200, .body = "one"},
                                      {.status = 0, .body = "two", .not_sent = true}};
  const Step step = made_of({.plan = echo})
                        .plan({.config = {{"smtp.host", "h"}},
                               .state = {{"cursor", "c"}},
                               .webhook_url = "u",
                               .secret = "s",
                               .now_ms = 5},
                              Operation::poll, input, answers);
  BOOST_TEST(std::get<Done>(step).results.at(0).second == "h|c|s|u|5|4|t|3|2|0|not sent|two");
}

BOOST_AUTO_TEST_CASE(text_that_postgres_could_not_store_is_cleaned) {
  const auto received =
      received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
        const gwc_pair extra{str("k"), str("v\xFF")};
        const gwc_event event{.size = sizeof event,
                              .kind = GWC_EVENT_MESSAGE,
                              .account = {},
                              .thread = str("t\xC3"),
                              .message = str(std::string_view("m\0m", 3)),
                              .text = str("a\xED\xA0\x80\r\nb"),
                              .sent_ms = -5,
                              .extra = {&extra, 1}};
        sink->event(sink->self, &event);
      });
  const Event& event = received.value().events.at(0);
  BOOST_TEST(event.thread == "t\xEF\xBF\xBD");
  BOOST_TEST(event.message == "mm");
  BOOST_TEST(event.text == "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\nb");
  BOOST_TEST(event.extra.at(0).second == "v\xEF\xBF\xBD");
  BOOST_TEST(event.sent_ms == 0);
}

BOOST_AUTO_TEST_CASE(long_texts_are_cut_and_long_ids_stay_different) {
  const auto received =
      received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
        const std::string text(100'000, 'x');
        for (const char last : {'a', 'b'}) {
          const std::string id = std::string(5'000, 'i') + last;
          const gwc_event event{.size = sizeof event,
                                .kind = GWC_EVENT_MESSAGE,
                                .account = {},
                                .message = str(id),
                                .text = str(text)};
          sink->event(sink->self, &event);
        }
      });
  const auto& events = received.value().events;
  BOOST_TEST(events.at(0).text.size() == 65'536u);
  BOOST_TEST(events.at(0).message.size() == 1024u);
  BOOST_TEST(events.at(0).message != events.at(1).message);
}

BOOST_AUTO_TEST_CASE(an_unknown_kind_number_is_the_unknown_kind) {
  const auto received =
      received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
        const gwc_event event{.size = sizeof event, .kind = 4711};
        sink->event(sink->self, &event);
      });
  BOOST_TEST((received.value().events.at(0).kind == EventKind::unknown));
}

BOOST_AUTO_TEST_CASE(a_thousand_events_are_taken_and_one_more_is_a_fault) {
  const auto emit = [](const gwc_sink* sink, int count) {
    const gwc_event event{.size = sizeof event, .kind = GWC_EVENT_MESSAGE};
    for (int i = 0; i < count; ++i) sink->event(sink->self, &event);
  };
  static const auto kEmit = emit;
  const auto enough = received_by(
      [](const gwc_channel*, const gwc_request*, const gwc_sink* sink) { kEmit(sink, 1000); });
  BOOST_TEST(enough.value().events.size() == 1000u);
  const auto more = received_by(
      [](const gwc_channel*, const gwc_request*, const gwc_sink* sink) { kEmit(sink, 1001); });
  BOOST_TEST_REQUIRE(!more.has_value());
  BOOST_TEST((more.error().code == Errc::internal));
}

BOOST_AUTO_TEST_CASE(what_is_not_understood_is_told_from_a_fault) {
  const auto fail_with = [](const gwc_sink* sink, std::int32_t code) {
    const gwc_fail fail{
        .size = sizeof fail, .code = code, .why = str("no id"), .platform_code = {}};
    sink->fail(sink->self, &fail);
  };
  static const auto kFailWith = fail_with;
  const auto strange =
      received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
        kFailWith(sink, GWC_FAIL_PERMANENT);
      });
  BOOST_TEST((strange.error().code == Errc::invalid_argument));
  BOOST_TEST(strange.error().message == "no id");
  const auto fault = received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
    kFailWith(sink, GWC_FAIL_FAULT);
  });
  BOOST_TEST((fault.error().code == Errc::internal));
  const auto thrown = received_by([](const gwc_channel*, const gwc_request*, const gwc_sink*) {
    throw std::runtime_error("x");
  });
  BOOST_TEST((thrown.error().code == Errc::internal));
}

BOOST_AUTO_TEST_CASE(replies_are_taken_once_and_only_when_well_formed) {
  static const auto kReply = [](const gwc_sink* sink, std::int32_t status, std::string_view value) {
    const gwc_pair header{str("content-type"), str(value)};
    const gwc_response reply{.size = sizeof reply,
                             .flags = 0,
                             .status = status,
                             .headers = {&header, 1},
                             .body = str("<Response/>")};
    sink->reply(sink->self, &reply);
  };
  const auto good = received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
    kReply(sink, 200, "text/xml");
  });
  BOOST_TEST(good.value().reply->body == "<Response/>");
  BOOST_TEST(good.value().reply->header("content-type") == "text/xml");
  BOOST_TEST(!received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
                kReply(sink, 200, "text/xml");
                kReply(sink, 200, "text/xml");
              }).has_value());
  BOOST_TEST(!received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
                kReply(sink, 99, "text/xml");
              }).has_value());
  BOOST_TEST(!received_by([](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
                kReply(sink, 200, "text/xml\r\nset-cookie: a=b");
              }).has_value());
}

BOOST_AUTO_TEST_CASE(a_plan_must_answer_exactly_once) {
  BOOST_TEST(fault_of(plan_nothing) == "connector test gave no answer");
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               emit_call(sink, "https://a.example/");
               emit_call(sink, "https://a.example/");
             }) == "connector test answered plan twice");
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink*) {
               throw std::runtime_error("oh");
             }) == "connector test threw: oh");
}

BOOST_AUTO_TEST_CASE(calls_that_could_be_misread_are_faults) {
  const std::string malformed = "connector test emitted a malformed call";
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               emit_call(sink, "http://a.example/");
             }) == malformed);
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               emit_call(sink, "file:///etc/passwd");
             }) == malformed);
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               emit_call(sink, "https://a.example/ HTTP/1.1");
             }) == malformed);
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               emit_call(sink, "https://a.example/", "v\r\nx-other: w");
             }) == malformed);
  const Step good = planned_by([](const gwc_channel*, std::int32_t, const gwc_event*,
                                  const gwc_response* const*, std::size_t, const gwc_sink* sink) {
    emit_call(sink, "imaps://mail.example/INBOX;UID=7");
  });
  BOOST_TEST(std::get<Call>(good).url == "imaps://mail.example/INBOX;UID=7");
  BOOST_TEST(std::get<Call>(good).url_is_secret);
}

BOOST_AUTO_TEST_CASE(structs_that_claim_to_be_smaller_are_not_read) {
  BOOST_TEST(fault_of([](const gwc_channel*, std::int32_t, const gwc_event*,
                         const gwc_response* const*, std::size_t, const gwc_sink* sink) {
               const gwc_done done{.size = 4, .state = {}, .results = {}};
               sink->done(sink->self, &done);
             }) == "connector test emitted a malformed done");
}

BOOST_AUTO_TEST_CASE(events_of_a_poll_come_with_its_end) {
  const Step step = planned_by([](const gwc_channel*, std::int32_t, const gwc_event*,
                                  const gwc_response* const*, std::size_t, const gwc_sink* sink) {
    const gwc_event event{.size = sizeof event, .kind = GWC_EVENT_MESSAGE};
    sink->event(sink->self, &event);
    const gwc_pair cursor{str("cursor"), str("7")};
    const gwc_done done{.size = sizeof done, .state = {&cursor, 1}, .results = {}};
    sink->done(sink->self, &done);
  });
  BOOST_TEST(std::get<Done>(step).events.size() == 1u);
  BOOST_TEST(std::get<Done>(step).state.at(0).second == "7");
}

BOOST_AUTO_TEST_CASE(accounts_are_read_where_the_connector_can_and_bounded) {
  BOOST_TEST(made_of({}).accounts({}).empty());
  const auto many = [](const gwc_request* request, const gwc_sink* sink) {
    for (int i = 0; i < 2000; ++i) sink->account(sink->self, request->body);
  };
  const auto connector = made_of({.accounts = many});
  BOOST_TEST(connector.shares_callback_urls());
  const auto accounts = connector.accounts({.body = "1784"});
  BOOST_TEST(accounts.size() == 1000u);
  BOOST_TEST(accounts.at(0) == "1784");
}

// A connector built for 1.0 writes shorter structs; nothing behind their size may be read.
BOOST_AUTO_TEST_CASE(structs_of_1_0_are_read_to_their_end) {
  const auto old = [](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
    gwc_attachment attachment{.size = offsetof(gwc_attachment, content), .kind = str("image")};
    attachment.content = {reinterpret_cast<const char*>(1), 100};
    const gwc_attachment* attachments[] = {&attachment};
    gwc_event event{.size = offsetof(gwc_event, references), .kind = GWC_EVENT_MESSAGE};
    event.attachments = attachments;
    event.attachment_count = 1;
    event.references = reinterpret_cast<const gwc_str*>(1);
    event.reference_count = 3;
    sink->event(sink->self, &event);
  };
  const auto received = received_by(old);
  BOOST_TEST_REQUIRE(received.has_value());
  BOOST_TEST(received->events.at(0).references.empty());
  BOOST_TEST(received->events.at(0).attachments.at(0).content.empty());
}

BOOST_AUTO_TEST_CASE(references_and_contents_cross_the_border) {
  const auto mail = [](const gwc_channel*, const gwc_request*, const gwc_sink* sink) {
    connector::Event event{.kind = EventKind::message};
    event.references = {"a@x", "b@x"};
    event.attachments.push_back({.kind = "file", .content = std::string("\0\x01", 2)});
    connector::view::with_event(event,
                                [&](const gwc_event& view) { sink->event(sink->self, &view); });
  };
  const auto received = received_by(mail);
  BOOST_TEST_REQUIRE(received.has_value());
  BOOST_TEST(received->events.at(0).references == (std::vector<std::string>{"a@x", "b@x"}),
             boost::test_tools::per_element());
  BOOST_TEST(received->events.at(0).attachments.at(0).content == std::string("\0\x01", 2));
}

BOOST_AUTO_TEST_CASE(only_public_looking_documents_are_asked_for) {
  static constexpr auto kDocuments = [](const gwc_channel*, const gwc_request*,
                                        const gwc_sink* sink) {
    for (const char* url : {"http://a.example/x.pem", "https://b.example/x.pem", "file:///etc/x",
                            "https://c.example/\r\nx", "https://d.example/y"}) {
      sink->account(sink->self, str(url));
    }
  };
  static const gwc_connector table{.size = sizeof(gwc_connector),
                                   .abi_major = GWC_ABI_MAJOR,
                                   .abi_minor = GWC_ABI_MINOR,
                                   .type = "test",
                                   .documents = kDocuments};
  const gateway::plugins::Connector made(table, gateway::plugins::ConfigSchema(), "nowhere");
  BOOST_TEST(made.documents({}, {}) ==
                 (std::vector<std::string>{"https://b.example/x.pem", "https://d.example/y"}),
             boost::test_tools::per_element());
  static const gwc_connector old{.size = offsetof(gwc_connector, documents),
                                 .abi_major = GWC_ABI_MAJOR,
                                 .type = "test",
                                 .documents = kDocuments,
                                 .max_body_bytes = 1};
  const gateway::plugins::Connector older(old, gateway::plugins::ConfigSchema(), "nowhere");
  BOOST_TEST(older.documents({}, {}).empty());
  BOOST_TEST(older.max_body_bytes() == 4u << 20);
}

BOOST_AUTO_TEST_CASE(the_deployment_fills_only_what_a_channel_lacks) {
  auto schema = gateway::plugins::ConfigSchema::parse(R"({"type":"object","properties":{
      "app_secret":{"type":"string","x-deployment-default":"meta_app_secret"}},
      "additionalProperties":false})");
  static const gwc_connector table{.size = sizeof(gwc_connector), .type = "test"};
  const gateway::plugins::Connector made(table, *std::move(schema), "nowhere");
  connector::Pairs config;
  made.fill_defaults({{"meta_app_secret", "theirs"}}, config);
  BOOST_TEST(connector::find(config, "app_secret").value_or("") == "theirs");
  config = {{"app_secret", "own"}};
  made.fill_defaults({{"meta_app_secret", "theirs"}}, config);
  BOOST_TEST(config.size() == 1u);
  config.clear();
  made.fill_defaults({}, config);
  BOOST_TEST(config.empty());
}

BOOST_AUTO_TEST_SUITE_END()
