gateway_fuzz(byte_range SOURCES byte_range_fuzz.cc CORPUS tests/fuzz/corpus/byte_range
  LINK gateway_api)
