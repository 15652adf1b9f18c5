// The words by which people stop and resume messages. Pure, any thread.
#ifndef CONNECTORS_SMS_OPT_OUT_H_
#define CONNECTORS_SMS_OPT_OUT_H_

#include <string_view>

namespace sms {

enum class Intent { none, stop, start, help };

// A text that is nothing but a keyword, whatever its case and the blanks around it: "Stop now" is
// none. `more_stop_words` are the deployment's own, separated by commas. The words are those of
// https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out and
// https://developers.telnyx.com/docs/messaging/messages/advanced-opt-in-out (read 2026-11-20).
Intent intent_of(std::string_view text, std::string_view more_stop_words = {});

// What a provider recognized itself: Twilio's OptOutType, Plivo's MessageIntent.
Intent intent_named(std::string_view name);

}  // namespace sms

#endif  // CONNECTORS_SMS_OPT_OUT_H_
