#include "gateway/api/auth_api.h"

#include "connectors/sdk/json.h"
#include "gateway/api/fields.h"
#include "gateway/api/host_name.h"
#include "gateway/auth/password.h"
#include "gateway/store/accounts.h"

namespace gateway::api {
namespace {

constexpr std::int64_t kFirstVersion = 1;

std::string token_json(const std::string& token) {
  sdk::json::Writer body;
  body.object().member("access_token", token).member("token_type", "bearer").end();
  return body.take();
}

// The bytes as they were sent: neither trimmed nor normalized.
std::optional<Secret> read_password(Fields& fields) {
  const auto value = fields["password"];
  if (const auto text = value.text()) return Secret(std::string(*text));
  const bool missing = !value.exists() || value.is_null();
  fields.wrong("password", missing ? "is required" : "must be text");
  return std::nullopt;
}

Answer wrong_login() { return refused(Errc::unauthorized, "Incorrect email or password"); }

// A link people will click: never javascript:, data: and the like.
bool is_harmless_website(std::string_view text) {
  return text.find(':') == std::string_view::npos || is_url(text, UrlRule::http_or_https) ||
         widget_domain(text).has_value();
}

Answer me_json(const ApiContext&, store::Session& db, const auth::Identity& identity) {
  std::optional<store::Business> business;
  if (identity.business) {
    auto found = store::find_business(db, *identity.business);
    if (!found) return failed(found.error(), "api");
    business = std::move(*found);
  }
  sdk::json::Writer body;
  body.object().key("user").object();
  body.member("id", identity.user.id.text())
      .member("email", identity.user.email)
      .member("full_name", identity.user.full_name)
      .member("is_verified", identity.user.is_verified)
      .member("is_google_account", identity.user.is_google_account)
      .member("avatar_url", identity.user.avatar_url)
      .end();
  body.key("business");
  if (business) {
    body.object()
        .member("id", business->id.text())
        .member("name", business->name)
        .member("website", business->website)
        .member("industry", business->industry)
        .member("team_size", business->team_size)
        .member("goal", business->goal)
        .member("created_at", iso8601(business->created_ms))
        .end();
  } else {
    body.null();
  }
  body.member("onboarding_complete", business.has_value()).key("team_role");
  if (business && identity.role) {
    body.value(store::to_string(*identity.role));
  } else {
    body.null();
  }
  return ok(body.end().take());
}

}  // namespace

void register_account(const ApiContext& context, const CallPtr& call) {
  Fields fields(call->request());
  const auto email_text = fields.text("email", {1, 320, false});
  const auto full_name = fields.text("full_name", {1, 200, false});
  auto password = read_password(fields);
  const auto email = parse_email(email_text);
  if (!email_text.empty() && !email) fields.wrong("email", "must be an e-mail address");
  if (password && password->size() < auth::kMinPasswordBytes) {
    fields.wrong("password", "must have at least 8 characters");
  } else if (password && password->size() > auth::kMaxPasswordBytes) {
    fields.wrong("password", "must have at most 1024 bytes");
  }
  if (!fields.valid()) {
    call->answer(invalid(Errc::unprocessable, fields.take_errors()));
    return;
  }
  if (const auto wait = context.throttle.begin_registration(call->address())) {
    call->answer(too_many("Too many registrations from this address; try again later", *wait));
    return;
  }
  post(context.passwords, call,
       [&context, call, email = *email, full_name,
        password = std::move(*password)](store::Session& db) {
         // The hash comes first, so that a taken address takes as long as a free one.
         auto hash = auth::hash_password(password.reveal());
         if (!hash) {
           call->answer(failed(hash.error(), "auth"));
           return;
         }
         const domain::UserId id(context.ids.next());
         auto registered =
             store::register_user(db, {id, email.address, email.key, full_name, *hash});
         if (!registered) {
           call->answer(failed(registered.error(), "api"));
         } else if (!*registered) {
           call->answer(refused(Errc::invalid_argument, "Email already registered"));
         } else {
           call->answer(created(token_json(context.tokens.issue(id, std::nullopt, kFirstVersion))));
         }
       });
}

void log_in(const ApiContext& context, const CallPtr& call) {
  Fields fields(call->request());
  const auto email_text = fields.text("email", {1, 320, false});
  auto password = read_password(fields);
  if (!fields.valid()) {
    call->answer(invalid(Errc::unprocessable, fields.take_errors()));
    return;
  }
  const auto email = parse_email(email_text);
  // What is no address is nobody's account; it costs and is counted like one.
  const std::string account = email ? email->key : std::string("?");
  if (const auto wait = context.throttle.begin_attempt(account, call->address())) {
    call->answer(too_many("Too many attempts; try again later", *wait));
    return;
  }
  const bool posted = post(
      context.passwords, call,
      [&context, call, account, password = std::move(*password)](store::Session& db) {
        auto login = store::find_login(db, account);
        const bool known = login && *login;
        auto right = auth::verify_password(
            password.reveal(),
            known ? std::string_view((*login)->password_hash) : auth::dummy_hash());
        if (!login || !right) {
          context.throttle.take_back(account, call->address());
          call->answer(failed(login ? right.error() : login.error(), "auth"));
          return;
        }
        if (!known || !*right || (*login)->disabled) {
          call->answer(wrong_login());
          return;
        }
        context.throttle.succeeded(account, call->address());
        const auto& user = **login;
        if (auth::needs_rehash(user.password_hash)) {
          // The login succeeded whether or not the stronger hash can be stored now.
          if (auto hash = auth::hash_password(password.reveal())) {
            (void)store::replace_password_hash(db, user.user, user.password_hash, *hash);
          }
        }
        call->answer(
            ok(token_json(context.tokens.issue(user.user, user.business, user.token_version))));
      });
  if (!posted) context.throttle.take_back(account, call->address());
}

Answer show_me(const ApiContext& context, store::Session& db, const Call& call) {
  return me_json(context, db, *call.identity);
}

Answer log_out(const ApiContext& context, store::Session& db, const Call& call) {
  if (auto revoked = context.tokens.revoke(db, call.identity->claims); !revoked) {
    return failed(revoked.error(), "auth");
  }
  return ok(sdk::json::Writer().object().member("message", "Logged out").end().take());
}

Answer log_out_everywhere(const ApiContext& context, store::Session& db, const Call& call) {
  if (auto revoked = context.tokens.revoke_all(db, call.identity->user.id); !revoked) {
    return failed(revoked.error(), "auth");
  }
  return ok(sdk::json::Writer().object().member("message", "Logged out everywhere").end().take());
}

Answer create_business(const ApiContext& context, store::Session& db, const Call& call) {
  Fields fields(call.request());
  store::NewBusiness business;
  business.id = domain::BusinessId(context.ids.next());
  business.name = fields.text("name", {1, 200, false});
  business.website = fields.maybe_text("website", {0, 2048, false});
  business.industry = fields.maybe_text("industry", {0, 200, false});
  business.team_size = fields.maybe_text("team_size", {0, 50, false});
  business.goal = fields.maybe_text("goal", {0, 1000, false});
  if (business.website && !is_harmless_website(*business.website)) {
    fields.wrong("website", "must be an http or https address");
  }
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  auto made = store::create_business(db, call.identity->user.id, context.ids.next(), business);
  if (!made) return failed(made.error(), "api");
  if (!*made) return refused(Errc::invalid_argument, "You belong to a business already");
  context.tokens.forget(call.identity->user.id);
  auto identity = *call.identity;
  identity.business = business.id;
  identity.role = store::Role::owner;
  auto answer = me_json(context, db, identity);
  if (answer.status == Status::ok) answer.status = Status::created;
  return answer;
}

}  // namespace gateway::api
