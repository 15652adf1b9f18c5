// RFC 9110, 14.1.2 and 14.2 (read 2026-11-21); the examples for a file of 10000 bytes are its own.
#include "gateway/api/byte_range.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using gateway::api::ByteRange;
using gateway::api::names_etag;
using gateway::api::parse_byte_range;
using Kind = gateway::api::ByteRange::Kind;

BOOST_AUTO_TEST_SUITE(byte_range)

BOOST_AUTO_TEST_CASE(one_range_is_a_part_of_the_file) {
  struct Row {
    std::string header;
    std::uint64_t begin, count;
  };
  for (const Row& row : std::vector<Row>{{"bytes=0-499", 0, 500},
                                         {"bytes=500-999", 500, 500},
                                         {"bytes=-500", 9500, 500},
                                         {"bytes=9500-", 9500, 500},
                                         {"bytes=0-0", 0, 1},
                                         {"bytes=-1", 9999, 1},
                                         {"bytes=0-", 0, 10000},
                                         {"Bytes=0-99999", 0, 10000},
                                         {"bytes=9999-9999", 9999, 1},
                                         {"bytes=-99999", 0, 10000},
                                         {"bytes= 1-2 ", 1, 2},
                                         {"bytes=1-99999999999999999999999999", 1, 9999},
                                         {"bytes=-99999999999999999999999999", 0, 10000}}) {
    BOOST_TEST((parse_byte_range(row.header, 10000) == ByteRange{Kind::part, row.begin, row.count}),
               row.header);
  }
}

BOOST_AUTO_TEST_CASE(a_range_outside_of_the_file_cannot_be_satisfied) {
  for (const char* header :
       {"bytes=10000-", "bytes=10000-10001", "bytes=-0", "bytes=99999999999999999999999999-"}) {
    BOOST_TEST((parse_byte_range(header, 10000).kind == Kind::unsatisfiable), header);
  }
  for (const char* header : {"bytes=0-", "bytes=0-0", "bytes=-1"}) {
    BOOST_TEST((parse_byte_range(header, 0).kind == Kind::unsatisfiable), header);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_single_well_formed_range_is_ignored) {
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=1", "bytes=+1-2",
        "bytes=1-2x", "bytes=1--2", "bytes=0-1,2-3", "bytes=0-0,-1", "bytes=-1-2", "bytes=0x1-2",
        "items=0-1", "bytes:0-1", "bytes=1 - 2", " bytes=0-1"}) {
    BOOST_TEST((parse_byte_range(header, 10000) == ByteRange{}), header);
  }
}

BOOST_AUTO_TEST_CASE(a_list_of_tags_names_a_tag_weakly) {
  for (const char* list :
       {"\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b\",W/\"a\" , \"c\"", "*", " \"a\" "}) {
    BOOST_TEST(names_etag(list, "\"a\""), list);
  }
  for (const char* list : {"", "a", "\"b\"", "\"A\"", "\"a", "\"aa\"", ",", "w/\"a\""}) {
    BOOST_TEST(!names_etag(list, "\"a\""), list);
  }
}

BOOST_AUTO_TEST_SUITE_END()
