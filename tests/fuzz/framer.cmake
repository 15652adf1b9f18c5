gateway_fuzz(framer SOURCES framer_fuzz.cc CORPUS tests/fuzz/corpus/framer LINK gateway_http)
