gateway_fuzz(text SOURCES text_fuzz.cc CORPUS tests/fuzz/corpus/text LINK connector_sdk)
