#include "gateway/simulate/control_desk.h"

#include <utility>

#include "gateway/simulate/members.h"

namespace gateway::simulate {
namespace {

constexpr std::string_view kCommonHelp = R"(
Every platform, under /_simulate/PLATFORM/
GET    calls?after=N         calls of its API
GET    sent?after=N          messages it was given to send
GET    deliveries?after=N    attempts to deliver webhooks
GET    stats                 figures of deliveries
GET    idle                  {"idle": true} when no event waits
POST   faults                {"kind": ..., "count": 1, "method": part of a path, "account": ...}
         of the API         too_many_requests (retry_after), server_error, bad_gateway, slow
                            (delay_ms; what follows the call does not wait for its answer), refuse
                            (status, code, description), garbage, reset_before_body,
                            reset_after_body, reset_midway, down
         of deliveries      wrong_signature, no_signature, twice_secret, altered_body, duplicate
                            (copies), reorder, drop
DELETE faults                ends all of them
POST   reset                 forgets messages, calls and deliveries; accounts and webhooks stay
)";

}  // namespace

HttpReply control_json(std::string body, int status) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

HttpReply control_error(int status, std::string_view detail) {
  return control_json(object({{"detail", json_text(detail)}}), status);
}

HttpReply control_done() { return control_json("{\"ok\":true}"); }

void ControlDesk::add(const std::string& platform, std::string help, Handler handler) {
  platforms_[platform] = {std::move(help), std::move(handler)};
}

bool ControlDesk::handle(const HttpRequest& request, const ApiServer::Respond& respond) const {
  std::string_view path = request.path;
  if (path.rfind(kControlPath, 0) != 0) return false;
  path.remove_prefix(kControlPath.size());
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  const std::string_view platform = path.substr(0, path.find('/'));
  const auto at = platforms_.find(platform);
  if (at == platforms_.end()) return false;
  path.remove_prefix(platform.size());
  std::string rest(path);
  while (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (request.method == "GET" && rest.empty()) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = at->second.help + std::string(kCommonHelp);
    respond(std::move(reply));
    return true;
  }
  at->second.handler(request, std::move(rest), respond);
  return true;
}

std::string ControlDesk::help() const {
  std::string out;
  for (const auto& [name, entry] : platforms_) {
    out += (out.empty() ? "" : "\n") + entry.help;
  }
  return out + std::string(kCommonHelp);
}

}  // namespace gateway::simulate
