// What LINE's deliveries mean.
#ifndef CONNECTORS_LINE_RECEIVE_H_
#define CONNECTORS_LINE_RECEIVE_H_

#include "connectors/sdk/connector.h"

namespace line {

connector::ReceiveResult receive(const connector::Channel& channel,
                                 const connector::Request& request);

}  // namespace line

#endif  // CONNECTORS_LINE_RECEIVE_H_
