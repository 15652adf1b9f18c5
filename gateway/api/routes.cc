#include "gateway/api/routes.h"

#include <vector>

#include "gateway/api/admin_api.h"
#include "gateway/api/auth_api.h"
#include "gateway/api/channels_api.h"
#include "gateway/api/conversations_api.h"
#include "gateway/api/health_api.h"
#include "gateway/api/media_api.h"
#include "gateway/api/script_api.h"
#include "gateway/api/team_api.h"
#include "gateway/api/upload_form.h"
#include "gateway/api/visitor_api.h"
#include "gateway/api/webchats_api.h"
#include "gateway/api/widget_api.h"

namespace gateway::api {
namespace {

// A handler that has its answer when it returns.
template <Answer (*Serve)(const ApiContext&, store::Session&, const Call&)>
void now(const ApiContext& context, store::Session* db, const CallPtr& call) {
  call->answer(Serve(context, *db, *call));
}

template <Answer (*Serve)(const ApiContext&, const Call&)>
void at_once(const ApiContext& context, store::Session*, const CallPtr& call) {
  call->answer(Serve(context, *call));
}

// A handler that answers later.
template <void (*Serve)(const ApiContext&, store::Session&, const CallPtr&)>
void later(const ApiContext& context, store::Session* db, const CallPtr& call) {
  Serve(context, *db, call);
}

template <void (*Serve)(const ApiContext&, const CallPtr&)>
void later_on_reactor(const ApiContext& context, store::Session*, const CallPtr& call) {
  Serve(context, call);
}

struct Entry {
  Route route;
  Handler handler;
};

constexpr auto kOpen = Access::open;
constexpr auto kUser = Access::user;
constexpr auto kVisitor = Access::visitor;
constexpr auto kOperator = Access::operator_token;
constexpr auto kPlatform = Access::platform;
constexpr auto kReactor = Runs::reactor;
constexpr auto kWorkers = Runs::workers;
constexpr auto kNone = Origins::none;
constexpr auto kAny = Origins::any;
constexpr auto kListed = Origins::listed;

// clang-format off
constexpr Entry kTable[] = {
    {{"POST", "/api/v1/auth/register", "register", kOpen, kReactor, kListed}, later_on_reactor<register_account>},
    {{"POST", "/api/v1/auth/login", "login", kOpen, kReactor, kListed}, later_on_reactor<log_in>},
    {{"GET", "/api/v1/auth/me", "me", kUser, kWorkers, kListed}, now<show_me>},
    {{"POST", "/api/v1/auth/logout", "logout", kUser, kWorkers, kListed}, now<log_out>},
    {{"POST", "/api/v1/auth/logout-all", "logoutAll", kUser, kWorkers, kListed}, now<log_out_everywhere>},
    {{"POST", "/api/v1/auth/business/create", "createBusiness", kUser, kWorkers, kListed}, now<create_business>},

    {{"POST", "/api/v1/widget/create", "createWidget", kUser, kWorkers, kListed}, now<create_widget>},
    {{"PUT", "/api/v1/widget/update/{widget_id}", "updateWidget", kUser, kWorkers, kListed}, now<update_widget>},
    {{"GET", "/api/v1/widget/{widget_id}", "getWidget", kOpen, kWorkers, kAny}, now<show_widget>},
    {{"GET", "/api/v1/widget/{widget_id}/channels", "listWidgetChannels", kOpen, kWorkers, kAny}, now<list_widget_channels>},
    {{"POST", "/api/v1/widget/{widget_id}/identity-secret", "mintIdentitySecret", kUser, kWorkers, kListed}, now<mint_identity_secret>},
    {{"GET", "/api/v1/widget/{widget_id}/embed", "getEmbed", kOpen, kWorkers, kAny}, now<show_embed>},
    {{"POST", "/api/v1/widget/{widget_id}/session", "openVisitorSession", kOpen, kWorkers, kAny}, now<open_visitor_session>},
    {{"GET", "/api/v1/widget/{widget_id}/conversation", "getVisitorConversation", kVisitor, kWorkers, kAny}, now<show_visitor_conversation>},
    {{"POST", "/api/v1/widget/{widget_id}/messages", "sendVisitorMessage", kVisitor, kWorkers, kAny}, now<write_as_visitor>},
    {{"POST", "/api/v1/widget/{widget_id}/upload", "uploadVisitorFiles", kVisitor, kWorkers, kAny, Accepts::multipart, kMaxUploadBody}, now<upload_as_visitor>},
    {{"POST", "/api/v1/widget/{widget_id}/read", "markReadByVisitor", kVisitor, kWorkers, kAny}, now<read_as_visitor>},
    {{"POST", "/api/v1/widget/{widget_id}/csat", "rateConversation", kVisitor, kWorkers, kAny}, now<rate_as_visitor>},

    {{"POST", "/api/webchats", "createWebchat", kUser, kWorkers, kListed}, now<create_webchat>},
    {{"GET", "/api/webchats/{webchat_id}", "getWebchat", kUser, kWorkers, kListed}, now<show_webchat>},
    {{"PUT", "/api/webchats/{webchat_id}", "updateWebchat", kUser, kWorkers, kListed}, now<update_webchat>},
    {{"POST", "/api/messages/upload-attachment", "uploadAttachment", kOpen, kWorkers, kAny, Accepts::multipart, kMaxUploadBody, kAnonymousUploadBody}, now<upload_attachment>},

    {{"GET", "/api/v1/channels/", "listChannels", kUser, kWorkers, kListed}, now<list_channels>},
    {{"POST", "/api/v1/channels/", "createChannel", kUser, kWorkers, kListed}, later<create_channel>},
    {{"GET", "/api/v1/channels/types", "listChannelTypes", kUser, kWorkers, kListed}, now<list_channel_types>},
    {{"GET", "/api/v1/channels/{channel_id}", "getChannel", kUser, kWorkers, kListed}, now<show_channel>},
    {{"PATCH", "/api/v1/channels/{channel_id}", "updateChannel", kUser, kWorkers, kListed}, later<update_channel>},
    {{"DELETE", "/api/v1/channels/{channel_id}", "deleteChannel", kUser, kWorkers, kListed}, now<delete_channel>},

    {{"GET", "/api/v1/conversations/", "listConversations", kUser, kWorkers, kListed}, now<list_conversations>},
    {{"POST", "/api/v1/conversations/", "createConversation", kUser, kWorkers, kListed}, now<create_conversation>},
    {{"GET", "/api/v1/conversations/{conversation_id}", "getConversation", kUser, kWorkers, kListed}, now<show_conversation>},
    {{"POST", "/api/v1/conversations/{conversation_id}/messages", "sendMessage", kUser, kWorkers, kListed}, now<send_message>},
    {{"POST", "/api/v1/conversations/{conversation_id}/upload", "uploadFiles", kUser, kWorkers, kListed, Accepts::multipart, kMaxUploadBody}, now<upload_files>},
    {{"POST", "/api/v1/conversations/{conversation_id}/typing", "signalTyping", kUser, kWorkers, kListed}, now<signal_typing>},
    {{"POST", "/api/v1/conversations/{conversation_id}/read", "markRead", kUser, kWorkers, kListed}, now<mark_read>},
    {{"PUT", "/api/v1/conversations/{conversation_id}/resolve", "resolveConversation", kUser, kWorkers, kListed}, now<resolve_conversation>},
    {{"PUT", "/api/v1/conversations/{conversation_id}/close", "closeConversation", kUser, kWorkers, kListed}, now<close_conversation>},
    {{"PUT", "/api/v1/conversations/{conversation_id}/assign/{agent_id}", "assignConversation", kUser, kWorkers, kListed}, now<assign_conversation>},
    {{"POST", "/api/v1/conversations/{conversation_id}/revoke-visitor", "revokeVisitor", kUser, kWorkers, kListed}, now<revoke_visitor>},

    {{"PATCH", "/api/v1/team/status", "setOwnStatus", kUser, kWorkers, kListed}, now<set_own_status>},

    {{"GET", "/api/v1/media/{media_id}/{file_name}", "readMedia", kOpen, kReactor, kAny}, later_on_reactor<show_media>},

    {{"GET", "/api/v1/webhooks/{type}", "verifySharedWebhook", kPlatform, kReactor, kNone}, nullptr},
    {{"POST", "/api/v1/webhooks/{type}", "receiveSharedWebhook", kPlatform, kReactor, kNone}, nullptr},
    {{"GET", "/api/v1/webhooks/{type}/{channel_id}", "verifyWebhook", kPlatform, kReactor, kNone}, nullptr},
    {{"POST", "/api/v1/webhooks/{type}/{channel_id}", "receiveWebhook", kPlatform, kReactor, kNone}, nullptr},
    {{"GET", "/api/v1/webhooks/{type}/{channel_id}/{key}", "verifyKeyedWebhook", kPlatform, kReactor, kNone}, nullptr},
    {{"POST", "/api/v1/webhooks/{type}/{channel_id}/{key}", "receiveKeyedWebhook", kPlatform, kReactor, kNone}, nullptr},

    {{"PUT", "/api/v1/admin/businesses/{business_id}/plan", "setPlan", kOperator, kWorkers, kNone}, now<set_plan>},

    {{"GET", "/widget.js", "widgetScript", kOpen, kReactor, kAny}, at_once<show_script>},

    {{"GET", "/healthz", "healthz", kOpen, kReactor, kNone}, at_once<show_health>},
    {{"GET", "/readyz", "readyz", kOpen, kReactor, kNone}, at_once<show_readiness>},
    {{"GET", "/metrics", "metrics", kOpen, kReactor, kNone}, at_once<show_metrics>},
    {{"GET", "/socket.io/", "pollRealtime", kOpen, kReactor, kNone}, at_once<refuse_realtime>},
    {{"POST", "/socket.io/", "sendRealtime", kOpen, kReactor, kNone}, at_once<refuse_realtime>},
};
// clang-format on

}  // namespace

std::span<const Route> routes() {
  static const std::vector<Route> table = [] {
    std::vector<Route> all;
    for (const auto& entry : kTable) all.push_back(entry.route);
    return all;
  }();
  return table;
}

std::span<const Handler> handlers() {
  static const std::vector<Handler> table = [] {
    std::vector<Handler> all;
    for (const auto& entry : kTable) all.push_back(entry.handler);
    return all;
  }();
  return table;
}

}  // namespace gateway::api
