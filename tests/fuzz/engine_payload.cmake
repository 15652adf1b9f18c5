gateway_fuzz(engine_payload SOURCES engine_payload_fuzz.cc
  CORPUS tests/fuzz/corpus/engine_payload LINK gateway_realtime)
