gateway_fuzz(live_place SOURCES live_place_fuzz.cc CORPUS tests/fuzz/corpus/live_place LINK gateway_live)
