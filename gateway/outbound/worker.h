// A part of the outbound thread: something that looks for work from time to time and drives it over
// the Context it was made with. Belongs to that thread.
#ifndef GATEWAY_OUTBOUND_WORKER_H_
#define GATEWAY_OUTBOUND_WORKER_H_

namespace gateway::outbound {

class Worker {
 public:
  virtual ~Worker() = default;
  // Once per turn of the loop.
  virtual void tick() = 0;
  // There may be something new: look at the next tick.
  virtual void wake() {}
  // Nothing new is begun.
  virtual void stop() = 0;
  // What is under way; the stop waits for it as long as its grace lasts.
  virtual int in_flight() const = 0;
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_WORKER_H_
