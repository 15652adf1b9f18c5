gateway_fuzz(json SOURCES json_fuzz.cc CORPUS tests/fuzz/corpus/json LINK connector_sdk)
