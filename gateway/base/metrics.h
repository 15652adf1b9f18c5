// Counters, gauges and histograms of the process, shown at /metrics in Prometheus' text format.
// prometheus-cpp stays in metrics.cc. A family is made once at start; adding is lock-free.
//
//   Metrics metrics;
//   auto& accepted = metrics.counter("backchannel_webhooks_total", "Webhooks by outcome",
//                                    {{"outcome", "committed"}});
//   accepted.add();
#ifndef GATEWAY_BASE_METRICS_H_
#define GATEWAY_BASE_METRICS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double n = 1) = 0;
  virtual double value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double n) = 0;
  virtual void add(double n) = 0;
  virtual double value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

// Thread-safe. References it gives out live as long as it does; asking again for the same name and
// labels gives the same object.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  Metrics();
  ~Metrics();
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const std::vector<double>& upper_bounds, const Labels& labels = {});
  // The exposition, text/plain; version=0.0.4.
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway

#endif  // GATEWAY_BASE_METRICS_H_
