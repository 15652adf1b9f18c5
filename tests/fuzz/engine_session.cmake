# A session and the hub above it, driven by bytes.
gateway_fuzz(engine_session SOURCES engine_session_fuzz.cc
  CORPUS tests/fuzz/corpus/engine_session LINK gateway_realtime)
