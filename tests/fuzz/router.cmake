gateway_fuzz(router SOURCES router_fuzz.cc CORPUS tests/fuzz/corpus/router LINK gateway_api)
