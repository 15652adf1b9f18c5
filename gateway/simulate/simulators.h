// All simulated platforms in one process, with one control API for them, the settings a gateway
// needs to meet them, and channels they accept.
//
// Ports: the control API has the one that is asked for, the platforms the eighteen behind it,
// always in the same places, whichever of them run. Port 0 leaves all of them to the kernel.
//
// start and stop from one thread; everything else from any. What an accessor returns lives as long
// as this.
#ifndef GATEWAY_SIMULATE_SIMULATORS_H_
#define GATEWAY_SIMULATE_SIMULATORS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/simulate/api_server.h"
#include "gateway/simulate/mail_simulator.h"
#include "gateway/simulate/meta_simulator.h"
#include "gateway/simulate/sms_simulator.h"
#include "gateway/simulate/telegram_simulator.h"
#include "gateway/simulate/urls.h"
#include "gateway/simulate/x_simulator.h"

namespace gateway::simulate {

// The platform a name stands for: telegram, meta, sms, x and mail, and the connectors' types that
// are called otherwise (whatsapp, instagram, email). Errc::invalid_argument with what there is.
Result<std::string> simulator_named(std::string_view name);

struct SimulatorsOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<std::string> only;  // names as simulator_named takes them; empty: all
  std::uint64_t seed = 1;
  double time_scale = 1;  // of the platforms' own waiting
  UrlRules urls = UrlRules::loopback;
  // People answer what they are sent, but on Telegram.
  bool replies = false;
};

// A channel the simulators accept: the body of POST /api/v1/channels/.
struct SampleChannel {
  std::string name;  // "sms-vonage"; a channel's type, or type and provider
  std::string type;
  std::string config;  // JSON
  // What a person has to do at the platform once the channel is made; empty: nothing.
  std::string by_hand;

  std::string body() const;
};

class Simulators {
 public:
  // Errc::invalid_argument where `only` names something unknown or the ports end behind 65535.
  static Result<std::unique_ptr<Simulators>> create(const SimulatorsOptions& options);
  ~Simulators();
  Simulators(const Simulators&) = delete;
  Simulators& operator=(const Simulators&) = delete;

  // All or nothing; a port that is taken is named with what would help.
  Result<> start();
  void stop();

  // Null where the platform does not run.
  TelegramSimulator* telegram() const { return telegram_.get(); }
  MetaSimulator* meta() const { return meta_.get(); }
  SmsSimulator* sms() const { return sms_.get(); }
  XSimulator* x() const { return x_.get(); }
  MailSimulator* mail() const { return mail_.get(); }

  std::string control_origin() const;  // "http://127.0.0.1:PORT"
  // Names of those that run, and the origins each stands for.
  std::vector<std::pair<std::string, Upstreams>> platforms() const;
  // Environment variables of a gateway, with their values.
  std::vector<std::pair<std::string, std::string>> settings() const;
  // Of the platforms that run. Their accounts exist from the start.
  const std::vector<SampleChannel>& samples() const { return samples_; }

 private:
  explicit Simulators(const SimulatorsOptions& options);
  bool wants(std::string_view name) const;
  void make_accounts();
  void control(const HttpRequest& request, const ApiServer::Respond& respond);
  HttpReply common(const HttpRequest& request);
  HttpReply inject(const std::string& body);
  std::vector<Platform*> others() const;  // all but Telegram
  std::string help() const;

  const SimulatorsOptions options_;
  std::vector<std::string> wanted_;  // empty: all
  std::shared_ptr<ControlDesk> desk_;
  std::unique_ptr<TelegramSimulator> telegram_;
  std::unique_ptr<MetaSimulator> meta_;
  std::unique_ptr<SmsSimulator> sms_;
  std::unique_ptr<XSimulator> x_;
  std::unique_ptr<MailSimulator> mail_;
  std::vector<SampleChannel> samples_;
  ApiServer control_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SIMULATORS_H_
