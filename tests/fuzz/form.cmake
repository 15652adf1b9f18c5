gateway_fuzz(form SOURCES form_fuzz.cc CORPUS tests/fuzz/corpus/form LINK connector_sdk)
