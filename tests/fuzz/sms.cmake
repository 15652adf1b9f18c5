gateway_fuzz(sms SOURCES sms_fuzz.cc CORPUS tests/fuzz/corpus/sms LINK gateway_plugins connector_sms)
