// The object graph of a running gateway: built in dependency order, torn down in reverse.
//
// Called by main.cc on the main thread.
#ifndef GATEWAY_APP_H_
#define GATEWAY_APP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/base/result.h"
#include "gateway/cluster/cluster.h"
#include "gateway/plugins/connector.h"
#include "gateway/settings/settings.h"
#include "gateway/store/pg.h"

namespace gateway {

using Progress = std::function<void(const std::string&)>;

// How commands and the gateway reach the database: the embedded cluster, or the one given.
struct DatabaseAccess {
  std::optional<cluster::Cluster> cluster;  // holds the embedded one while this lives
  store::SessionOptions owner;              // migrates
  store::SessionOptions gateway;            // works, with the restricted role
};

enum class ClusterUse { own, attach };

// Starts or attaches to the embedded cluster where no DATABASE_URL is given, migrates where the
// login may, and says how to connect for work.
Result<DatabaseAccess> open_database(const settings::Settings& settings, ClusterUse use,
                                     const Progress& progress);

// What the deployment lends to channels that lack a value of their own.
plugins::Deployment deployment_of(const settings::Settings& settings);

class App {
 public:
  static Result<std::unique_ptr<App>> start(const settings::Settings& settings,
                                            const Progress& progress);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  std::uint16_t port() const;
  const std::string& public_url() const;
  std::size_t connector_count() const;
  // Not ready from now on; answers what is in flight, commits what waits, sends what was begun.
  // Returns the number of requests that were cut off.
  std::size_t drain(std::chrono::milliseconds deadline);

 private:
  struct Graph;
  explicit App(std::unique_ptr<Graph> graph);
  std::unique_ptr<Graph> graph_;
};

}  // namespace gateway

#endif  // GATEWAY_APP_H_
