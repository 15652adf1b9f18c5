// The words of a failed result, for the message of an assertion: error() of a success is undefined,
// and assertions build their messages even where they hold.
//
//   BOOST_TEST_REQUIRE(result.has_value(), why(result));
#ifndef TESTS_SUPPORT_RESULT_H_
#define TESTS_SUPPORT_RESULT_H_

#include <string>

#include "gateway/base/result.h"

namespace test_support {

template <class T>
std::string why(const gateway::Result<T>& result) {
  return result ? "it succeeded" : result.error().message;
}

}  // namespace test_support

#endif  // TESTS_SUPPORT_RESULT_H_
