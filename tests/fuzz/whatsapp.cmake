gateway_fuzz(whatsapp SOURCES whatsapp_fuzz.cc CORPUS tests/fuzz/corpus/whatsapp
  LINK connector_whatsapp connector_sdk)
