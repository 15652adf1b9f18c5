// What loop.cc and websocket.cc share; nobody else includes it.
#ifndef GATEWAY_REALTIME_LOOP_IMPL_H_
#define GATEWAY_REALTIME_LOOP_IMPL_H_

// Asio 1.74 uses std::exchange without including it.
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "gateway/realtime/loop.h"

namespace gateway::realtime {

struct Loop::Impl {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    boost::asio::io_context::executor_type>
      timer{context};
  std::int64_t armed_ms = INT64_MAX;
  std::thread thread;
};

}  // namespace gateway::realtime

#endif  // GATEWAY_REALTIME_LOOP_IMPL_H_
